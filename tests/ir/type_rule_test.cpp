// Type rules refuse what their op cannot compute. Each valid sample of each op is spoiled in one
// place at a time; what the rule still accepts must run, with every access checked, give the type
// that the rule promised and the numbers of the reference, and make the same use of its operands
// as the valid samples do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kMaxRows = 4;
constexpr std::int64_t kCount = 3;  // rows of a call
constexpr double kTooLong = 3e4;    // evaluations of an element: what takes more is not run

/// An op with operands and attributes, good or bad.
struct Call {
  std::string what;
  std::vector<TensorType> operands;
  Attributes attributes;
  std::vector<Range> ranges;  // one an operand
};

Call valid_call(const Sample& sample) {
  Call call{sample.name, sample.operands, sample.attributes, sample.ranges};
  call.ranges.resize(call.operands.size());
  return call;
}

Attributes with(const Attributes& attributes, const std::string& name, AttributeValue value) {
  Attributes result = attributes;
  result.set(name, std::move(value));
  return result;
}

/// Numbers beside `value`, and some that are never right.
std::vector<std::int64_t> others(std::int64_t value) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  return {value + 1, value - 1, 0, -value, -2, kHuge, std::numeric_limits<std::int64_t>::max()};
}

constexpr ScalarType kScalarTypes[] = {ScalarType::f32, ScalarType::f64,    ScalarType::i8,
                                       ScalarType::u8,  ScalarType::i32,    ScalarType::u32,
                                       ScalarType::i64, ScalarType::boolean};

/// Other values of one attribute.
std::vector<AttributeValue> other_values(const AttributeValue& value) {
  std::vector<AttributeValue> result;
  if (const auto* number = std::get_if<std::int64_t>(&value))
    for (const std::int64_t other : others(*number)) result.emplace_back(other);
  if (const auto* flag = std::get_if<bool>(&value)) result.emplace_back(!*flag);
  if (const auto* text = std::get_if<std::string>(&value)) {
    for (const ScalarType type : kScalarTypes) result.emplace_back(std::string(name_of(type)));
    for (const std::string& other : {std::string(), *text + "?"}) result.emplace_back(other);
  }
  if (const auto* list = std::get_if<Dims>(&value)) {
    for (std::size_t i = 0; i < list->size(); ++i)
      for (const std::int64_t other : others((*list)[i])) {
        Dims numbers = *list;
        numbers[i] = other;
        result.emplace_back(std::move(numbers));
      }
    Dims longer = *list;
    longer.push_back(list->empty() ? 1 : list->back());
    result.emplace_back(std::move(longer));
    if (!list->empty()) result.emplace_back(Dims(list->begin(), list->end() - 1));
  }
  return result;
}

/// Types that differ from `type` in one size, in the rank or in the elements.
std::vector<TensorType> other_types(const TensorType& type) {
  std::vector<TensorType> result;
  for (const ScalarType scalar : kScalarTypes) result.push_back({scalar, type.dims});
  for (std::size_t i = 0; i < type.dims.size(); ++i) {
    const std::int64_t size = type.dims[i] == kBatch ? kMaxRows : type.dims[i];
    for (const std::int64_t other : {size - 1, size, size + 1, std::int64_t{0}, kBatch}) {
      result.push_back(type);
      result.back().dims[i] = other;
    }
    result.push_back(type);
    result.back().dims.erase(result.back().dims.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const std::int64_t added : {1, 2}) {
    result.push_back(type);
    result.back().dims.push_back(added);
    result.push_back(type);
    result.back().dims.insert(result.back().dims.begin(), added);
  }
  return result;
}

/// All calls that differ from `call` in one place.
std::vector<Call> spoiled(const Call& call) {
  std::vector<Call> result;
  const auto add = [&](std::string what, auto&& change) {
    result.push_back(call);
    result.back().what += ", " + std::move(what);
    change(result.back());
  };
  for (std::size_t i = 0; i < call.operands.size(); ++i) {
    for (const TensorType& type : other_types(call.operands[i]))
      add(fmt::format("operand {} {}", i, to_string(type)),
          [&](Call& other) { other.operands[i] = type; });
    add(fmt::format("operand {} twice", i), [&](Call& other) {
      other.operands.push_back(call.operands[i]);
      other.ranges.push_back(call.ranges[i]);
    });
    add(fmt::format("no operand {}", i), [&](Call& other) {
      other.operands.erase(other.operands.begin() + static_cast<std::ptrdiff_t>(i));
      other.ranges.erase(other.ranges.begin() + static_cast<std::ptrdiff_t>(i));
    });
  }
  for (const ScalarType scalar : kScalarTypes)
    add(fmt::format("all operands {}", name_of(scalar)), [&](Call& other) {
      for (TensorType& type : other.operands) type.scalar = scalar;
    });
  for (const auto& [name, value] : call.attributes.all())
    for (const AttributeValue& other : other_values(value))
      add(fmt::format("{} {}", name, to_string(other)), [&, &key = name](Call& changed) {
        changed.attributes = with(call.attributes, key, other);
      });
  return result;
}

/// The results' types, or nothing where an Error says that there are none. Anything else that is
/// thrown fails the test.
std::optional<std::vector<TensorType>> types_of(const OpRef& op, const Call& call) {
  try {
    Builder builder(OpTable::standard(), "one", kMaxRows);
    std::vector<Value> operands;
    for (std::size_t i = 0; i < call.operands.size(); ++i)
      operands.push_back(builder.input(fmt::format("x{}", i), "data", call.operands[i]));
    const Value value = builder.add_node(op, operands, call.attributes);
    return builder.graph().node(value).types;
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// What every type of the call can hold: beyond, there is no value to agree on.
Range in_all_types(Range range, const Call& call, const std::vector<TensorType>& results) {
  for (const auto* types : {&call.operands, &results})
    for (const TensorType& type : *types) {
      if (is_integer(type.scalar) && !is_signed(type.scalar)) range.low = std::max(range.low, 0.0);
      if (size_of(type.scalar) == 1) range.high = std::min(range.high, 100.0);
    }
  return range;
}

/// Whole numbers, since an error of a type rule is none of rounding. A bool is the same everywhere:
/// true in one of two seeds.
Tensor operand_of(const TensorType& type, const Range& range, std::uint64_t seed) {
  Tensor tensor({type.scalar, concrete(type.dims, kCount)});
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> number(static_cast<int>(std::ceil(range.low)),
                                            static_cast<int>(std::floor(range.high)));
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    tensor.set(i,
               type.scalar == ScalarType::boolean ? static_cast<double>(seed % 2) : number(random));
  return tensor;
}

/// A call that a rule accepted.
struct Accepted {
  const OpDef& op;
  const Call& call;
  const std::vector<TensorType>& results;

  std::vector<Tensor> operands(std::uint64_t seed) const {
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < call.operands.size(); ++i)
      tensors.push_back(
          operand_of(call.operands[i], in_all_types(call.ranges[i], call, results), seed + 2 * i));
    return tensors;
  }
  std::vector<Tensor> run(std::span<const Tensor> operands) const {
    return evaluate(op, operands, call.operands, results, call.attributes, kCount);
  }
};

std::int64_t nans_in(std::span<const Tensor> tensors) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors)
    for (std::int64_t i = 0; i < tensor.size(); ++i) count += std::isnan(tensor.get(i)) ? 1 : 0;
  return count;
}

/// NaN where dimension `d` is at its end.
Tensor with_last_spoiled(Tensor tensor, std::size_t d) {
  std::int64_t inner = 1;
  for (std::size_t k = d + 1; k < tensor.dims().size(); ++k) inner *= tensor.dims()[k];
  const std::int64_t size = tensor.dims()[d];
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    if (i / inner % size == size - 1) tensor.set(i, std::nan(""));
  return tensor;
}

/// Whether the last of each dimension of real operand `i` shows in a real result.
bool uses_all_of(const Accepted& accepted, std::size_t i) {
  for (std::size_t d = 0; d < accepted.call.operands[i].dims.size(); ++d) {
    bool shows = false;
    for (std::uint64_t seed = 1; !shows && seed <= 4; ++seed) {
      std::vector<Tensor> operands = accepted.operands(seed);
      const std::int64_t before = nans_in(accepted.run(operands));
      operands[i] = with_last_spoiled(operands[i], d);
      shows = nans_in(accepted.run(operands)) > before;
    }
    if (!shows) return false;
  }
  return true;
}

/// Whether each element of each real result depends on an operand.
bool all_of_results_depend(const Accepted& accepted) {
  std::vector<Tensor> operands = accepted.operands(1);
  for (Tensor& tensor : operands)
    for (std::int64_t i = 0; is_float(tensor.type().scalar) && i < tensor.size(); ++i)
      tensor.set(i, std::nan(""));
  std::int64_t elements = 0;
  for (const TensorType& type : accepted.results)
    if (is_float(type.scalar)) elements += element_count(type.dims, kCount);
  return nans_in(accepted.run(operands)) == elements;
}

/// What holds of all valid samples of an op, and therefore of all that its rule accepts. Nobody
/// states it: a stride leaves out rows of its input in one of the samples, but no sample leaves out
/// weights.
struct Habits {
  std::vector<bool> uses_all_of;  // of each operand
  bool results_depend = true;

  explicit Habits(const OpRef& op) {
    for (const Sample& sample : op->samples) {
      const Call call = valid_call(sample);
      const auto results = types_of(op, call);
      if (!results) continue;  // op_test complains
      const Accepted accepted{*op, call, *results};
      uses_all_of.resize(std::max(uses_all_of.size(), call.operands.size()), true);
      for (std::size_t i = 0; i < call.operands.size(); ++i)
        uses_all_of[i] = uses_all_of[i] && is_float(call.operands[i].scalar) &&
                         testing::uses_all_of(accepted, i);
      results_depend = results_depend && all_of_results_depend(accepted);
    }
  }
};

/// Evaluations of an element that the op takes.
double work_of(const Accepted& accepted) {
  const auto& [op, call, results] = accepted;
  double work = 0;
  for (const Stage& stage : op.compute({call.operands, results, call.attributes}).stages) {
    double points = 1;
    for (const auto* axes : {&stage.axes, &stage.reduce})
      for (const Axis& axis : *axes)
        points *= static_cast<double>(axis.extent == kBatch ? kCount : axis.extent);
    work += points;
  }
  return work;
}

bool all_real(const std::vector<TensorType>& types) {
  return std::ranges::all_of(types, [](const TensorType& type) { return is_float(type.scalar); });
}

/// Each result comes from what has its elements, as many as it has, whatever the batch.
void expect_promised_types(const Accepted& accepted) {
  const auto& [op, call, results] = accepted;
  const Computation computation = op.compute({call.operands, results, call.attributes});
  ASSERT_EQ(computation.results.size(), results.size());
  for (std::size_t r = 0; r < results.size(); ++r) {
    const auto [is_operand, index] = computation.results[r];
    const auto at = static_cast<std::size_t>(index);
    const TensorType source =
        is_operand ? call.operands.at(at)
                   : TensorType{computation.stages.at(at).type, computation.stages.at(at).dims()};
    EXPECT_EQ(name_of(source.scalar), name_of(results[r].scalar));
    for (const std::int64_t count : {1, 2})
      EXPECT_EQ(element_count(source.dims, count), element_count(results[r].dims, count));
  }
}

void expect_same_as_reference(const Accepted& accepted) {
  const std::vector<Tensor> operands = accepted.operands(1);
  const std::vector<Tensor> got = accepted.run(operands);
  std::vector<TensorType> types;
  for (const TensorType& type : accepted.results)
    types.push_back({type.scalar, concrete(type.dims, kCount)});
  Tensors expected, computed;
  const auto references = accepted.op.reference(operands, types, accepted.call.attributes);
  for (std::size_t r = 0; r < got.size(); ++r) {
    expected.emplace(std::to_string(r), references.at(r));
    computed.emplace(std::to_string(r), got[r]);
  }
  EXPECT_EQ(difference(expected, computed, Preserves::bound), "");
}

void expect_consistent(const Accepted& accepted, const Habits& habits) {
  expect_promised_types(accepted);
  if (::testing::Test::HasFailure() || work_of(accepted) > kTooLong) return;
  // Only what has passed the checked accesses of the interpreter may reach a reference's own.
  accepted.run(accepted.operands(1));
  if (accepted.op.reference) expect_same_as_reference(accepted);
  if (!all_real(accepted.results)) return;
  const auto& operands = accepted.call.operands;
  for (std::size_t i = 0; i < std::min(operands.size(), habits.uses_all_of.size()); ++i) {
    if (habits.uses_all_of[i] && is_float(operands[i].scalar)) {
      EXPECT_TRUE(uses_all_of(accepted, i)) << "a part of operand " << i << " is ignored";
    }
  }
  if (habits.results_depend &&
      std::ranges::any_of(operands, [](const TensorType& type) { return is_float(type.scalar); })) {
    EXPECT_TRUE(all_of_results_depend(accepted)) << "results that depend on nothing";
  }
}

class TypeRule : public ::testing::TestWithParam<std::string> {};

TEST_P(TypeRule, accepts_only_what_the_op_can_compute) {
  const OpRef op = OpTable::standard().find(GetParam());
  const std::optional<Habits> habits = op->compute ? std::optional<Habits>(op) : std::nullopt;
  int refused = 0;
  for (const Sample& sample : op->samples)
    for (const Call& call : spoiled(valid_call(sample))) {
      SCOPED_TRACE(fmt::format("{}, sample {}", describe(op->name, call.operands), call.what));
      try {
        const auto results = types_of(op, call);
        refused += results ? 0 : 1;
        if (results && habits) expect_consistent({*op, call, *results}, *habits);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
      if (HasFailure()) return;
    }
  EXPECT_GT(refused, 0);
}

std::vector<std::string> all_ops() {
  std::vector<std::string> names;
  const OpTable table = OpTable::standard();
  for (const auto& [name, op] : table.all()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(table, TypeRule, ::testing::ValuesIn(all_ops()),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace cnnc::testing
