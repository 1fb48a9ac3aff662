// What every op of the table promises, checked on its own samples: a new op is tested by existing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "ir/graph/graph.h"
#include "passes/graph/differentiate.h"
#include "tests/ir_runs.h"

namespace cnnc {
namespace {

struct Case {
  OpRef op;
  Sample sample;
  ScalarType real;

  OpContext context(std::span<const TensorType> types) const {
    return {types, {}, sample.attributes};
  }
};

/// The sample with f32 replaced by `real`, in types and in attributes that name one.
Case with_real(OpRef op, Sample sample, ScalarType real) {
  for (TensorType& type : sample.operands) {
    if (type.scalar == ScalarType::f32) type.scalar = real;
  }
  Attributes attributes;
  for (const auto& [name, value] : sample.attributes.all()) {
    const auto* text = std::get_if<std::string>(&value);
    const bool replaced = text != nullptr && *text == "f32";
    attributes.set(name, replaced ? AttributeValue(std::string(name_of(real))) : value);
  }
  sample.attributes = attributes;
  sample.ranges.resize(sample.operands.size());
  return {std::move(op), std::move(sample), real};
}

std::vector<Case> cases_of(const std::string& name) {
  std::vector<Case> cases;
  const OpRef op = OpTable::standard().find(name);
  for (const Sample& sample : op->samples) {
    for (const ScalarType real : {ScalarType::f32, ScalarType::f64}) {
      cases.push_back(with_real(op, sample, real));
    }
  }
  return cases;
}

/// Names of the ops for which `wanted` holds.
std::vector<std::string> ops_where(const std::function<bool(const OpDef&)>& wanted) {
  std::vector<std::string> names;
  const OpTable table = OpTable::standard();
  for (const auto& [name, op] : table.all()) {
    if (wanted(*op)) names.push_back(name);
  }
  return names;
}

std::string trace_of(const Case& c) {
  return fmt::format("sample '{}' in {}", c.sample.name, name_of(c.real));
}

constexpr std::int64_t kMaxRows = 4;
constexpr std::int64_t kCount = 3;  // rows of a call: fewer than the batch

/// Values within the range; whole ones where `whole` or where the type is.
Tensor random_tensor(const TensorType& type, const Range& range, bool whole, std::uint64_t seed) {
  Tensor tensor({type.scalar, concrete(type.dims, kCount)});
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(range.low, range.high);
  std::uniform_int_distribution<int> integer(static_cast<int>(std::ceil(range.low)),
                                             static_cast<int>(std::floor(range.high)));
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = type.scalar == ScalarType::boolean ? static_cast<double>(random() % 2)
                         : whole || is_integer(type.scalar) ? integer(random)
                                                            : uniform(random);
    tensor.set(i, value);
  }
  return tensor;
}

std::vector<Tensor> random_operands(const Case& c, bool whole) {
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < c.sample.operands.size(); ++i) {
    Range range = c.sample.ranges[i];
    if (whole && range.high - range.low < 5 && is_float(c.sample.operands[i].scalar)) {
      range = {std::ceil(range.low), std::ceil(range.low) + 5};
    }
    operands.push_back(random_tensor(c.sample.operands[i], range, whole, 7 + i));
  }
  return operands;
}

/// A graph of the one op with its operands as inputs x0, x1, ... and its results as outputs y0, y1,
/// ...
Graph graph_of(const Case& c, std::string_view role = "data") {
  Builder builder(OpTable::standard(), "one", kMaxRows);
  builder.set_label("layer1");
  std::vector<Value> operands;
  for (std::size_t i = 0; i < c.sample.operands.size(); ++i) {
    const TensorType& type = c.sample.operands[i];
    const bool batch = !type.dims.empty() && type.dims[0] == kBatch;
    operands.push_back(
        builder.input(fmt::format("x{}", i), batch ? "data" : std::string(role), type));
  }
  const Value first = builder.add_node(c.op, operands, c.sample.attributes);
  for (std::size_t i = 0; i < builder.graph().node(first).types.size(); ++i) {
    builder.output(fmt::format("y{}", i), {first.node, static_cast<int>(i)});
  }
  return std::move(builder).build();
}

std::map<std::string, Tensor> inputs_of(std::span<const Tensor> operands) {
  std::map<std::string, Tensor> inputs;
  for (std::size_t i = 0; i < operands.size(); ++i)
    inputs.emplace(fmt::format("x{}", i), operands[i]);
  return inputs;
}

const Node& last_node(const Graph& graph) { return graph.nodes.back(); }

std::vector<Tensor> reference(const Case& c, std::span<const Tensor> operands,
                              const std::vector<TensorType>& results) {
  std::vector<TensorType> types;
  for (const TensorType& type : results) {
    types.push_back({type.scalar, concrete(type.dims, kCount)});
  }
  return c.op->reference(operands, types, c.sample.attributes);
}

/// The longest chain of operations behind one element: reductions of all stages, and some for the
/// rest.
double operations(const Case& c, const std::vector<TensorType>& results) {
  const Computation computation = c.op->compute({c.sample.operands, results, c.sample.attributes});
  double count = 32;
  for (const Stage& stage : computation.stages) {
    double terms = 1;
    for (const Axis& axis : stage.reduce) {
      terms *= static_cast<double>(axis.extent == kBatch ? kCount : axis.extent);
    }
    count += terms;
  }
  return count;
}

double greatest(std::span<const Tensor> tensors, std::size_t result) {
  double value = 0;
  for (std::int64_t i = 0; i < tensors[result].size(); ++i) {
    const double element = std::abs(tensors[result].get(i));
    if (std::isfinite(element)) value = std::max(value, element);
  }
  return value;
}

using OpName = ::testing::TestWithParam<std::string>;
class OpText : public OpName {};
class OpCompute : public OpName {};
class OpOnIntegers : public OpName {};
class OpOnSpecialValues : public OpName {};
class OpGradient : public OpName {};

void check_text(const Case& c) {
  const std::string text = print(graph_of(c));
  const Graph parsed = parse_graph({"op", text}, OpTable::standard());
  EXPECT_EQ(print(parsed), text);
  EXPECT_TRUE(verify_errors(parsed).empty());
}

/// Of finite elements; others count as zero.
std::vector<Tensor> magnitudes(std::vector<Tensor> tensors) {
  for (Tensor& tensor : tensors)
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.set(i, std::isfinite(tensor.get(i)) ? std::abs(tensor.get(i)) : 0);
  return tensors;
}

/// How far result `r` may lie from the reference's.
double bound_of(const Case& c, const std::vector<TensorType>& results, std::size_t r,
                std::span<const Tensor> expected, std::span<const Tensor> scale) {
  if (!is_float(results[r].scalar)) return 0;
  const bool f32 = results[r].scalar == ScalarType::f32 || c.real == ScalarType::f32;
  return operations(c, results) * (f32 ? 0x1p-24 : 0x1p-53) *
         std::max({1.0, greatest(expected, r), greatest(scale, r)});
}

void check_compute(const Case& c) {
  const Graph graph = graph_of(c);
  const auto results = last_node(graph).types;
  const auto operands = random_operands(c, false);
  const auto outputs = interpret(graph, inputs_of(operands), kCount);
  const auto expected = reference(c, operands, results);
  // For sums of products, those of the absolute values bound the rounding: gamma_n * sum |a * b|.
  const auto scale = reference(c, magnitudes(operands), results);
  for (std::size_t r = 0; r < results.size(); ++r) {
    const Tensor& got = outputs.at(fmt::format("y{}", r));
    ASSERT_EQ(got.type(), expected[r].type());
    const double bound = bound_of(c, results, r, expected, scale);
    for (std::int64_t i = 0; i < got.size(); ++i) {
      const double a = got.get(i), b = expected[r].get(i);
      if (a == b) continue;  // infinities too
      ASSERT_NEAR(a, b, bound) << "result " << r << ", element " << i;
    }
  }
}

/// Random operands, among which one real in eight is a NaN, an infinity, a zero of either sign or a
/// denormal.
std::vector<Tensor> special_operands(const Case& c) {
  std::vector<Tensor> operands = random_operands(c, false);
  std::mt19937_64 random(11);
  for (Tensor& tensor : operands)
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      if (is_float(tensor.type().scalar) && random() % 8 == 0)
        tensor.set(i, testing::special_value(random(), tensor.type().scalar));
  return operands;
}

/// NaN is where the reference has it, and nowhere else; so are infinities; an elementwise op tells
/// zeros of either sign apart.
void check_special_values(const Case& c) {
  const Graph graph = graph_of(c);
  const auto results = last_node(graph).types;
  // A NaN has no whole number.
  if (c.op->name == "cast" && is_integer(results[0].scalar)) return;
  const auto operands = special_operands(c);
  const auto outputs = interpret(graph, inputs_of(operands), kCount);
  const auto expected = reference(c, operands, results);
  const auto scale = reference(c, magnitudes(operands), results);
  for (std::size_t r = 0; r < results.size(); ++r) {
    const double bound = bound_of(c, results, r, expected, scale);
    const Tensor& got = outputs.at(fmt::format("y{}", r));
    for (std::int64_t i = 0; i < got.size(); ++i) {
      const double a = got.get(i), b = expected[r].get(i);
      const std::string where = fmt::format("result {}, element {}: {}, not {}", r, i, a, b);
      if (std::isnan(a) && std::isnan(b)) continue;
      const bool same_sign = !c.op->scalar || std::signbit(a) == std::signbit(b);
      const bool close = std::isfinite(a) && std::isfinite(b) && std::abs(a - b) <= bound;
      ASSERT_TRUE(a == b ? same_sign : close) << where;
    }
  }
}

void check_whole_numbers(const Case& c) {
  const Graph graph = graph_of(c);
  const auto operands = random_operands(c, true);
  const auto outputs = interpret(graph, inputs_of(operands), kCount);
  const auto expected = reference(c, operands, last_node(graph).types);
  for (std::size_t r = 0; r < expected.size(); ++r) {
    const Tensor& got = outputs.at(fmt::format("y{}", r));
    for (std::int64_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got.get(i), expected[r].get(i)) << "result " << r << ", element " << i;
    }
  }
}

/// sum over all real results of weight * result. Operands that depend on the batch are parameters
/// by a trick: parameters of kCount rows, fed through an op that makes them the batch's (a
/// broadcast needs none).
/// loss = sum of weight * result over all real results; to each real operand a parameter of zeros
/// is added, which gets the operand's gradient (summed over the batch, as a parameter has no batch
/// dimension).
struct GradientGraph {
  Graph graph;
  std::map<std::string, Tensor> inputs;
};

std::optional<GradientGraph> gradient_graph(const Case& c) {
  GradientGraph result;
  Builder builder(OpTable::standard(), "gradient", kMaxRows);
  const auto operands = random_operands(c, false);
  std::vector<Value> values;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::string name = fmt::format("x{}", i);
    const TensorType& type = c.sample.operands[i];
    result.inputs.emplace(name, operands[i]);
    Value value = builder.input(name, "data", type);
    if (is_float(type.scalar)) {
      const bool batch = !type.dims.empty() && type.dims[0] == kBatch;
      Dims dims = type.dims;
      if (batch) dims[0] = 1;
      const std::string offset = fmt::format("offset{}", i);
      result.inputs.emplace(offset, Tensor({type.scalar, dims}));
      value = builder.add(value, builder.input(offset, "parameter", {type.scalar, dims}));
    }
    values.push_back(value);
  }
  const Value first = builder.add_node(c.op, values, c.sample.attributes);
  const auto types = builder.graph().node(first).types;
  std::optional<Value> loss;
  for (std::size_t r = 0; r < types.size(); ++r) {
    if (!is_float(types[r].scalar)) continue;
    const std::string name = fmt::format("weight{}", r);
    result.inputs.emplace(name, random_tensor(types[r], {0.5, 2}, false, 100 + r));
    Dims axes;
    for (std::size_t d = 0; d < types[r].dims.size(); ++d)
      axes.push_back(static_cast<std::int64_t>(d));
    const Value weighted =
        builder.mul(builder.input(name, "data", types[r]), {first.node, static_cast<int>(r)});
    const Value sum = builder.reduce_sum(weighted, axes);
    loss = loss ? builder.add(*loss, sum) : sum;
  }
  if (!loss) return std::nullopt;
  builder.output("loss", *loss);
  builder.set_optimizer(OptimizerSpec{"sgd", {}});
  result.graph = std::move(builder).build();
  return result;
}

void check_gradient(const Case& c) {
  const auto given = gradient_graph(c);
  if (!given) return;  // no real result
  const Graph differentiated = differentiate_graph(given->graph, {});
  verify(differentiated, "differentiate");
  const auto gradients = interpret(differentiated, given->inputs, kCount);
  const auto loss = [&](const std::map<std::string, Tensor>& inputs) {
    return interpret(given->graph, inputs, kCount).at("loss").get(0);
  };
  for (const auto& [name, tensor] : given->inputs) {
    if (!name.starts_with("offset")) continue;
    const Tensor& gradient = gradients.at("gradient." + name);
    const double scale = std::max(1.0, greatest(std::vector{gradient}, 0));
    const std::int64_t step = std::max<std::int64_t>(1, tensor.size() / 16);
    for (std::int64_t i = 0; i < tensor.size(); i += step) {
      constexpr double kStep = 1e-5;
      auto moved = given->inputs;
      moved.at(name).set(i, kStep);
      const double above = loss(moved);
      moved.at(name).set(i, -kStep);
      const double below = loss(moved);
      ASSERT_NEAR(gradient.get(i), (above - below) / (2 * kStep), 1e-6 * scale)
          << name << ", element " << i;
    }
  }
}

void check_all(const std::string& op, const std::function<void(const Case&)>& check) {
  for (const Case& c : cases_of(op)) {
    SCOPED_TRACE(trace_of(c));
    check(c);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST_P(OpText, is_a_fixpoint) { check_all(GetParam(), check_text); }
TEST_P(OpCompute, agrees_with_reference) { check_all(GetParam(), check_compute); }
TEST_P(OpOnSpecialValues, agrees_with_reference) { check_all(GetParam(), check_special_values); }
TEST_P(OpOnIntegers, is_exact) { check_all(GetParam(), check_whole_numbers); }
TEST_P(OpGradient, agrees_with_central_differences) {
  check_all(GetParam(), [](const Case& c) {
    if (c.real == ScalarType::f64) check_gradient(c);
  });
}

std::string op_name_of(const ::testing::TestParamInfo<std::string>& info) { return info.param; }
bool has_reference(const OpDef& op) { return op.compute && op.reference; }

INSTANTIATE_TEST_SUITE_P(table, OpText,
                         ::testing::ValuesIn(ops_where([](const OpDef&) { return true; })),
                         op_name_of);
INSTANTIATE_TEST_SUITE_P(table, OpCompute, ::testing::ValuesIn(ops_where(has_reference)),
                         op_name_of);
INSTANTIATE_TEST_SUITE_P(table, OpOnSpecialValues, ::testing::ValuesIn(ops_where(has_reference)),
                         op_name_of);
INSTANTIATE_TEST_SUITE_P(table, OpOnIntegers, ::testing::ValuesIn(ops_where([](const OpDef& op) {
                           return has_reference(op) && op.exact_on_integers;
                         })),
                         op_name_of);
INSTANTIATE_TEST_SUITE_P(table, OpGradient, ::testing::ValuesIn(ops_where([](const OpDef& op) {
                           return op.compute && op.gradient && op.name != "constant";
                         })),
                         op_name_of);

TEST(op_table, every_op_has_samples_and_a_description) {
  const OpTable table = OpTable::standard();
  for (const auto& [name, op] : table.all()) {
    EXPECT_FALSE(op->description.empty()) << name;
    EXPECT_FALSE(op->samples.empty()) << name;
    EXPECT_TRUE(op->compute || name == "input") << name;
    EXPECT_TRUE(op->reference || name == "input") << name;
  }
}

}  // namespace
}  // namespace cnnc
