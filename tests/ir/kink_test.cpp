// Where derivatives jump: what an op says that its gradient is there, it is, exactly, in the
// interpreter and as machine code; and no op keeps silent about a kink.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "passes/graph/differentiate.h"
#include "runtime/exec/executable_state.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

std::string name_of_operand(std::size_t i) { return fmt::format("x{}", i); }

/// loss = the sum of the op's first result; its operands are inputs x0, x1, ..., the real ones
/// parameters where they have no batch. Nothing where the result is not real.
std::optional<Graph> sum_of(const OpRef& op, std::vector<TensorType> types, const Attributes& given,
                            ScalarType real) {
  Builder builder(OpTable::standard(), "kink", 1);
  std::vector<Value> operands;
  for (TensorType& type : types) {
    const bool is_real = is_float(type.scalar);
    if (is_real) type.scalar = real;
    const bool by_row = std::ranges::find(type.dims, kBatch) != type.dims.end();
    operands.push_back(builder.input(name_of_operand(operands.size()),
                                     is_real && !by_row ? "parameter" : "data", type));
  }
  Attributes attributes = given;
  for (const auto& [name, value] : given.all())
    if (value == AttributeValue(std::string("f32")))
      attributes.set(name, std::string(name_of(real)));
  const Value result = builder.add_node(op, operands, attributes);
  if (!is_float(builder.type(result).scalar)) return std::nullopt;
  Dims axes;
  for (std::size_t d = 0; d < builder.type(result).dims.size(); ++d)
    axes.push_back(static_cast<std::int64_t>(d));
  builder.output("loss", builder.reduce_sum(result, axes));
  builder.set_optimizer(OptimizerSpec{"sgd", {}});
  return std::move(builder).build();
}

Tensor tensor_of(TensorType type, ScalarType real, const std::vector<double>& values) {
  if (is_float(type.scalar)) type.scalar = real;
  Tensor tensor(type);
  CNNC_CHECK(tensor.size() == std::ssize(values), "{} values for {}", values.size(),
             to_string(type));
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    tensor.set(i, values[static_cast<std::size_t>(i)]);
  return tensor;
}

Tensors tensors_of(const std::vector<TensorType>& types, ScalarType real,
                   const std::vector<std::vector<double>>& values, std::string_view prefix) {
  Tensors tensors;
  for (std::size_t i = 0; i < types.size(); ++i)
    if (!values.at(i).empty())
      tensors.emplace(std::string(prefix) + name_of_operand(i),
                      tensor_of(types[i], real, values[i]));
  return tensors;
}

/// Equal numbers, whatever the sign of a zero.
std::string gradient_difference(const Tensors& expected, const Tensors& got) {
  return difference(expected, got, [](ScalarType) { return 1e-300; });
}

Tensors compiled(const Graph& gradients, const Tensors& inputs, const Target& target) {
  std::vector<std::string> passes{"simplify", "lower"};
  for (const auto& row : loop_passes()) passes.emplace_back(row.name);
  Program program = std::get<Program>(run_passes(gradients, passes, target));
  Jit jit(program, target, 1);
  Executable executable = make_executable(std::move(program), std::move(jit), {});
  ThreadPool pool(1);
  call(executable, inputs, 1, pool);
  Tensors results;
  for (const Output& output : gradients.outputs)
    results.emplace(output.name, read_tensor(executable, output.name));
  return results;
}

std::vector<std::string> ops_where(bool (*wanted)(const OpDef&)) {
  std::vector<std::string> names;
  const OpTable table = OpTable::standard();
  for (const auto& [name, op] : table.all())
    if (wanted(*op)) names.push_back(name);
  return names;
}

constexpr auto kName = [](const auto& test) { return test.param; };

class OpKinks : public ::testing::TestWithParam<std::string> {};

TEST_P(OpKinks, have_the_gradient_that_the_op_states) {
  const OpRef op = OpTable::standard().find(GetParam());
  for (const Kink& kink : op->kinks)
    for (const ScalarType real : {ScalarType::f32, ScalarType::f64}) {
      SCOPED_TRACE(name_of(real));
      Graph gradients =
          differentiate_graph(sum_of(op, kink.operands, kink.attributes, real).value(), {});
      std::erase_if(gradients.outputs, [](const Output& output) { return output.name == "loss"; });
      const Tensors inputs = tensors_of(kink.operands, real, kink.values, "");
      const Tensors expected = tensors_of(kink.operands, real, kink.gradients, "gradient.");
      ASSERT_FALSE(expected.empty());
      const auto interpreted = interpret(gradients, {inputs.begin(), inputs.end()}, 1);
      EXPECT_EQ(gradient_difference(expected, {interpreted.begin(), interpreted.end()}), "");
      for (const Target& target : targets_of_this_machine())
        EXPECT_EQ(gradient_difference(expected, compiled(gradients, inputs, target)), "")
            << target.name;
    }
}

INSTANTIATE_TEST_SUITE_P(table, OpKinks, ::testing::ValuesIn(ops_where([](const OpDef& op) {
                           return !op.kinks.empty();
                         })),
                         kName);

class DifferentiableOps : public ::testing::TestWithParam<std::string> {};

/// The slopes on both sides of an element.
struct Slopes {
  double left, right;
  bool kink() const {
    return !std::isfinite(left) || !std::isfinite(right) || std::abs(left - right) > 1e-3;
  }
};

Slopes slopes_at(const Graph& forward, const std::map<std::string, Tensor>& inputs,
                 const std::string& operand, std::int64_t element) {
  const auto loss = [&](double distance) {
    auto moved = inputs;
    Tensor& tensor = moved.at(operand);
    tensor.set(element, tensor.get(element) + distance);
    return interpret(forward, moved, 1).at("loss").get(0);
  };
  constexpr double kStep = 1e-6;
  const double here = loss(0);
  return {(here - loss(-kStep)) / kStep, (loss(kStep) - here) / kStep};
}

/// Whether the op states what happens where an operand is `value`.
bool states(const OpDef& op, double value) {
  return std::ranges::any_of(op.kinks, [&](const Kink& kink) {
    return std::ranges::any_of(kink.values, [&](const auto& values) {
      // Equal operands and windows of equal elements are alike, whatever these are.
      return !op.scalar || kink.operands.size() > 1 ||
             std::ranges::find(values, value) != values.end();
    });
  });
}

/// A kink that the op does not state, among points where all real operands are one number at every
/// element: there operands are equal, and zero. Empty where it states them all.
std::string unstated_kink(const OpRef& op) {
  for (const Sample& sample : op->samples) {
    const auto sum = sum_of(op, sample.operands, sample.attributes, ScalarType::f64);
    if (!sum) continue;
    std::vector<TensorType> types = sample.operands;
    for (TensorType& type : types) type.dims = concrete(type.dims, 1);
    for (const double value : {-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 6.0}) {
      std::map<std::string, Tensor> inputs;
      for (std::size_t i = 0; i < types.size(); ++i) {
        const auto size = static_cast<std::size_t>(element_count(types[i].dims, 1));
        const bool is_real = is_float(types[i].scalar);
        inputs.emplace(name_of_operand(i), tensor_of(types[i], ScalarType::f64,
                                                     std::vector(size, is_real ? value : 0)));
      }
      if (std::isnan(interpret(*sum, inputs, 1).at("loss").get(0))) continue;
      for (std::size_t i = 0; i < types.size(); ++i) {
        if (!is_float(types[i].scalar)) continue;
        const std::int64_t size = element_count(types[i].dims, 1);
        for (std::int64_t e = 0; e < size; e += std::max<std::int64_t>(1, size / 4)) {
          const Slopes slopes = slopes_at(*sum, inputs, name_of_operand(i), e);
          if (slopes.kink() && !states(*op, value))
            return fmt::format(
                "{} has slopes {} and {} where operand {} is {} (sample {}): its file must state "
                "the gradient there, in `kinks`",
                op->name, slopes.left, slopes.right, i, value, sample.name);
        }
      }
    }
  }
  return {};
}

TEST_P(DifferentiableOps, state_each_kink_that_equal_elements_show) {
  EXPECT_EQ(unstated_kink(OpTable::standard().find(GetParam())), "");
}

INSTANTIATE_TEST_SUITE_P(table, DifferentiableOps,
                         ::testing::ValuesIn(ops_where([](const OpDef& op) {
                           return op.compute && op.gradient && op.name != "constant";
                         })),
                         kName);

TEST(kinks, are_seen_where_nobody_states_them) {
  for (const char* name : {"abs", "relu", "relu6", "sqrt", "max", "min", "maxpool"}) {
    OpDef silent = *OpTable::standard().find(name);
    silent.kinks.clear();
    EXPECT_NE(unstated_kink(std::make_shared<const OpDef>(silent)), "") << name;
  }
  OpDef forgetful = *OpTable::standard().find("relu6");
  for (double& value : forgetful.kinks[0].values[0])
    if (value == 6) value = 5;
  EXPECT_NE(unstated_kink(std::make_shared<const OpDef>(forgetful)), "");
}

}  // namespace
}  // namespace cnnc::testing
