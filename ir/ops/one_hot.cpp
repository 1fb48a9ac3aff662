// one_hot(label i32[B]) -> [B, classes] of `type`: 1 (or true) at the label, 0 elsewhere; a row of
// zeros where the label is no class.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

std::vector<TensorType> type_rule(const OpContext& context) {
  expect_operands("one_hot", context, 1);
  expect_rank("one_hot", context, 0, 1);
  if (context.operands[0].scalar != ScalarType::i32)
    fail("{}: labels must be i32", describe("one_hot", context.operands));
  const std::int64_t classes = context.attributes.integer("classes");
  if (classes < 1 || classes > kMaxElements) fail("one_hot: {} classes are not possible", classes);
  return {{scalar_attribute("one_hot", context.attributes, "type"),
           {context.operands[0].dims[0], classes}}};
}

Computation compute(const OpContext& context) {
  const TensorType& result = context.results[0];
  const std::vector<Axis> axes = axes_of(result.dims);
  const Expr hit =
      equal(load(0, ScalarType::i32, {axes[0].var}), cast(ScalarType::i32, axes[1].var));
  const Expr value = result.scalar == ScalarType::boolean
                         ? hit
                         : select(hit, constant(result.scalar, 1), constant(result.scalar, 0));
  return single_stage({"one_hot", result.scalar, axes, {}, Reduction::add, value});
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const std::int64_t classes = attributes.integer("classes");
  Tensor result(results[0]);
  for (std::int64_t row = 0; row < operands[0].size(); ++row) {
    const auto label = static_cast<std::int64_t>(operands[0].get(row));
    if (label >= 0 && label < classes) result.set(row * classes + label, 1);
  }
  return {result};
}

}  // namespace

OpDef one_hot_op() {
  OpDef op;
  op.name = "one_hot";
  op.description = "rows with 1 at the label and 0 elsewhere";
  op.notes = "A label outside of the classes makes a row of zeros.";
  op.attributes = {"classes", "type"};
  op.type_rule = type_rule;
  op.compute = compute;
  op.reference = reference;
  const auto sample = [](std::string name, std::int64_t classes, std::string type, double high) {
    return Sample{std::move(name),
                  {{ScalarType::i32, {kBatch}}},
                  {{"classes", classes}, {"type", std::move(type)}},
                  {{-1, high}}};
  };
  op.samples = {sample("ten_classes", 10, "f32", 9), sample("one_class", 1, "f64", 1),
                sample("mask", 5, "bool", 6)};
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
