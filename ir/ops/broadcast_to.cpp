// broadcast_to {dims=[B,3,5]}: the operand repeated, as numpy's broadcasting would.
#include "ir/graph/rules.h"
#include "ir/ops/elementwise.h"

namespace cnnc {

namespace {

std::vector<TensorType> broadcast_to_type(const OpContext& context) {
  expect_operands("broadcast_to", context, 1);
  const TensorType& from = context.operands[0];
  const TensorType to{from.scalar, context.attributes.integers("dims")};
  if (broadcast(from.dims, to.dims) != to.dims) {
    fail("broadcast_to: {} does not broadcast to {}", to_string(from), to_string(to));
  }
  return {to};
}

std::vector<std::optional<Value>> broadcast_to_gradient(
    Builder& builder, const Node& node, std::span<const Value>,
    std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  return {builder.sum_to(*gradients[0], builder.type(node.operands[0]).dims)};
}

}  // namespace

OpDef broadcast_to_op() {
  OpDef op;
  op.name = "broadcast_to";
  op.description = "the operand repeated along dimensions that it lacks or has 1 of";
  op.attributes = {"dims"};
  op.carries_size = true;
  op.type_rule = broadcast_to_type;
  op.gradient = broadcast_to_gradient;
  op.compute = [](const OpContext& context) {
    return elementwise_compute(context, [](std::span<const Expr> x) { return x[0]; });
  };
  op.reference = [](std::span<const Tensor> operands, std::span<const TensorType> results,
                    const Attributes&) {
    return elementwise_reference(operands, results, [](std::span<const double> x) { return x[0]; });
  };
  op.exact_on_integers = true;
  op.samples = {
      {"scalar", {{ScalarType::f32, {}}}, {{"dims", Dims{kBatch, 3, 17}}}, {}},
      {"channels", {{ScalarType::f32, {5}}}, {{"dims", Dims{kBatch, 3, 1, 5}}}, {}},
      {"rows", {{ScalarType::f32, {kBatch, 1}}}, {{"dims", Dims{kBatch, 17}}}, {}},
      {"to_batch", {{ScalarType::f32, {1, 3}}}, {{"dims", Dims{kBatch, 3}}}, {}},
      {"same", {{ScalarType::f32, {3}}}, {{"dims", Dims{3}}}, {}},
  };
  return op;
}

}  // namespace cnnc
