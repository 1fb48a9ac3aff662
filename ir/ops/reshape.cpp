// reshape {dims=[B,784]}: the same elements in row-major order under other dimensions. Costs
// nothing: its result is its operand.
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

bool has_batch(const Dims& dims) { return !dims.empty() && dims[0] == kBatch; }

std::vector<TensorType> reshape_type(const OpContext& context) {
  expect_operands("reshape", context, 1);
  const TensorType& from = context.operands[0];
  const TensorType to{from.scalar, context.attributes.integers("dims")};
  const auto count = checked_element_count(to.dims, 1, kMaxElements);
  if (!count || *count != element_count(from.dims, 1) ||
      has_batch(from.dims) != has_batch(to.dims)) {
    fail("reshape: {} does not have the elements of {}", to_string(from), to_string(to));
  }
  return {to};
}

std::vector<std::optional<Value>> reshape_gradient(
    Builder& builder, const Node& node, std::span<const Value>,
    std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  return {builder.reshape(*gradients[0], builder.type(node.operands[0]).dims)};
}

std::vector<Tensor> reshape_reference(std::span<const Tensor> operands,
                                      std::span<const TensorType> results, const Attributes&) {
  Tensor out(results[0]);
  for (std::int64_t i = 0; i < out.size(); ++i) out.set(i, operands[0].get(i));
  return {std::move(out)};
}

}  // namespace

OpDef reshape_op() {
  OpDef op;
  op.name = "reshape";
  op.description = "the same elements under other dimensions";
  op.attributes = {"dims"};
  op.carries_size = true;
  op.type_rule = reshape_type;
  op.gradient = reshape_gradient;
  op.compute = [](const OpContext&) { return Computation{{}, {{true, 0}}}; };
  op.reference = reshape_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"flatten", {{ScalarType::f32, {kBatch, 3, 2, 5}}}, {{"dims", Dims{kBatch, 30}}}, {}},
      {"unflatten", {{ScalarType::f32, {6}}}, {{"dims", Dims{1, 3, 1, 2}}}, {}},
      {"scalar", {{ScalarType::f32, {1, 1}}}, {{"dims", Dims{}}}, {}},
      {"bytes", {{ScalarType::u8, {kBatch, 4}}}, {{"dims", Dims{kBatch, 2, 2}}}, {{0, 255}}},
  };
  return op;
}

}  // namespace cnnc
