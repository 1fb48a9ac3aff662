// constant {type="f32", value=0.5}: a number, without dimensions.
#include <cmath>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

std::vector<TensorType> constant_type(const OpContext& context) {
  expect_operands("constant", context, 0);
  const ScalarType type = scalar_attribute("constant", context.attributes, "type");
  const double value = context.attributes.real("value");
  const double least =
      is_signed(type) ? -std::ldexp(1.0, static_cast<int>(8 * size_of(type)) - 1) : 0;
  const double beyond =
      std::ldexp(1.0, static_cast<int>(8 * size_of(type)) - (is_signed(type) ? 1 : 0));
  const bool fits =
      is_float(type) ||
      (value == std::trunc(value) &&
       (type == ScalarType::boolean ? value == 0 || value == 1 : value >= least && value < beyond));
  if (!fits) fail("constant: {} holds no {}", name_of(type), value);
  return {{type, {}}};
}

Computation constant_compute(const OpContext& context) {
  const ScalarType type = context.results[0].scalar;
  const double value = context.attributes.real("value");
  Stage stage;
  stage.name = "value";
  stage.type = type;
  stage.value = is_float(type) ? constant(type, value)
                               : integer_constant(type, static_cast<std::int64_t>(value));
  return single_stage(std::move(stage));
}

std::vector<Tensor> constant_reference(std::span<const Tensor>, std::span<const TensorType> results,
                                       const Attributes& attributes) {
  Tensor out(results[0]);
  out.set(0, attributes.real("value"));
  return {std::move(out)};
}

}  // namespace

OpDef constant_op() {
  OpDef op;
  op.name = "constant";
  op.description = "a number";
  op.attributes = {"type", "value"};
  op.type_rule = constant_type;
  op.gradient = [](Builder&, const Node&, std::span<const Value>,
                   std::span<const std::optional<Value>>) -> std::vector<std::optional<Value>> {
    return {};
  };
  op.compute = constant_compute;
  op.reference = constant_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"real", {}, {{"type", "f32"}, {"value", 0.1}}, {}},
      {"whole", {}, {{"type", "i64"}, {"value", -3.0}}, {}},
      {"pixel", {}, {{"type", "u8"}, {"value", 255.0}}, {}},
      {"flag", {}, {{"type", "bool"}, {"value", 1.0}}, {}},
  };
  return op;
}

}  // namespace cnnc
