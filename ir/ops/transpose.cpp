// transpose {permutation=[1,0]}: dimension i of the result is dimension permutation[i] of the
// operand.
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

std::vector<TensorType> transpose_type(const OpContext& context) {
  expect_operands("transpose", context, 1);
  const TensorType& from = context.operands[0];
  const Dims& permutation = context.attributes.integers("permutation");
  const std::int64_t rank = static_cast<std::int64_t>(from.dims.size());
  std::vector<bool> seen(from.dims.size());
  bool valid = permutation.size() == from.dims.size();
  TensorType to{from.scalar, {}};
  for (const std::int64_t axis : permutation) {
    valid = valid && axis >= 0 && axis < rank && !seen[static_cast<std::size_t>(axis)];
    if (!valid) break;
    seen[static_cast<std::size_t>(axis)] = true;
    to.dims.push_back(from.dims[static_cast<std::size_t>(axis)]);
  }
  if (!valid) {
    fail("transpose: {} is no permutation of the dimensions of {}", to_string(permutation),
         to_string(from));
  }
  if (rank > 0 && from.dims[0] == kBatch && permutation[0] != 0) {
    fail("transpose of {} by {}: the batch dimension must stay in front", to_string(from),
         to_string(permutation));
  }
  return {to};
}

std::vector<std::optional<Value>> transpose_gradient(
    Builder& builder, const Node& node, std::span<const Value>,
    std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  const Dims& permutation = node.attributes.integers("permutation");
  Dims inverse(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    inverse[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
  }
  return {builder.op("transpose", {*gradients[0]}, {{"permutation", inverse}})};
}

Computation transpose_compute(const OpContext& context) {
  const Dims& permutation = context.attributes.integers("permutation");
  Stage stage;
  stage.name = "value";
  stage.type = context.results[0].scalar;
  stage.axes = axes_of(context.results[0].dims);
  std::vector<Expr> index(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    index[static_cast<std::size_t>(permutation[i])] = stage.axes[i].var;
  }
  stage.value = load_operand(context, 0, std::move(index));
  return single_stage(std::move(stage));
}

std::vector<Tensor> transpose_reference(std::span<const Tensor> operands,
                                        std::span<const TensorType> results,
                                        const Attributes& attributes) {
  const Dims& permutation = attributes.integers("permutation");
  const auto strides = strides_of(operands[0].dims());
  Tensor out(results[0]);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    std::int64_t rest = i, from = 0;
    for (std::size_t d = permutation.size(); d-- > 0;) {
      from += rest % out.dims()[d] * strides[static_cast<std::size_t>(permutation[d])];
      rest /= out.dims()[d];
    }
    out.set(i, operands[0].get(from));
  }
  return {std::move(out)};
}

}  // namespace

OpDef transpose_op() {
  OpDef op;
  op.name = "transpose";
  op.description = "dimensions in another order";
  op.attributes = {"permutation"};
  op.carries_size = true;
  op.type_rule = transpose_type;
  op.gradient = transpose_gradient;
  op.compute = transpose_compute;
  op.reference = transpose_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"matrix", {{ScalarType::f32, {3, 5}}}, {{"permutation", Dims{1, 0}}}, {}},
      {"image", {{ScalarType::f32, {kBatch, 3, 2, 5}}}, {{"permutation", Dims{0, 3, 1, 2}}}, {}},
      {"cycle", {{ScalarType::f32, {1, 3, 17}}}, {{"permutation", Dims{2, 0, 1}}}, {}},
      {"over_several_blocks", {{ScalarType::f32, {37, 34}}}, {{"permutation", Dims{1, 0}}}, {}},
      {"blocks_around_a_loop",
       {{ScalarType::f32, {kBatch, 17, 3, 33}}},
       {{"permutation", Dims{0, 3, 2, 1}}},
       {}},
      {"same", {{ScalarType::f32, {kBatch, 3}}}, {{"permutation", Dims{0, 1}}}, {}},
  };
  return op;
}

}  // namespace cnnc
