// cast {type="f32"}: the same numbers in another element type. Real numbers become whole by
// truncation.
#include <cmath>

#include "ir/graph/rules.h"
#include "ir/ops/elementwise.h"

namespace cnnc {

namespace {

std::vector<TensorType> cast_type(const OpContext& context) {
  expect_operands("cast", context, 1);
  return {{scalar_attribute("cast", context.attributes, "type"), context.operands[0].dims}};
}

std::vector<std::optional<Value>> cast_gradient(Builder& builder, const Node& node,
                                                std::span<const Value> results,
                                                std::span<const std::optional<Value>> gradients) {
  const ScalarType from = builder.type(node.operands[0]).scalar;
  if (!gradients[0] || !is_float(from) || !is_float(builder.type(results[0]).scalar)) return {{}};
  return {builder.cast(*gradients[0], from)};
}

Computation cast_compute(const OpContext& context) {
  const ScalarType type = context.results[0].scalar;
  return elementwise_compute(context, [type](std::span<const Expr> x) { return cast(type, x[0]); });
}

std::vector<Tensor> cast_reference(std::span<const Tensor> operands,
                                   std::span<const TensorType> results, const Attributes&) {
  const ScalarType type = results[0].scalar;
  return elementwise_reference(operands, results, [type](std::span<const double> x) {
    if (type == ScalarType::boolean) return x[0] != 0 ? 1.0 : 0.0;
    return is_float(type) ? x[0] : std::trunc(x[0]);
  });
}

}  // namespace

OpDef cast_op() {
  OpDef op;
  op.name = "cast";
  op.description = "the same numbers in another element type";
  op.attributes = {"type"};
  op.carries_size = true;
  op.type_rule = cast_type;
  op.gradient = cast_gradient;
  op.compute = cast_compute;
  op.reference = cast_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"pixels", {{ScalarType::u8, {kBatch, 3, 3, 1}}}, {{"type", "f32"}}, {{0, 255}}},
      {"real", {{ScalarType::f32, {kBatch, 17}}}, {{"type", "f32"}}, {}},
      {"truncation", {{ScalarType::f32, {kBatch, 17}}}, {{"type", "i32"}}, {{-9, 9}}},
      {"count", {{ScalarType::i64, {}}}, {{"type", "f32"}}, {{1, 128}}},
      {"flags", {{ScalarType::boolean, {kBatch}}}, {{"type", "f32"}}, {}},
  };
  return op;
}

}  // namespace cnnc
