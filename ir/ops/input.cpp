// input {name, role, type}: a value from outside. The only op without a compute.
#include <algorithm>
#include <array>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

std::vector<TensorType> input_type(const OpContext& context) {
  expect_operands("input", context, 0);
  const std::string& name = context.attributes.text("name");
  const std::string& role = context.attributes.text("role");
  const std::string& text = context.attributes.text("type");
  constexpr std::array<std::string_view, 3> kRoles = {"data", "parameter", "state"};
  if (name.empty()) fail("an input needs a name");
  if (std::ranges::find(kRoles, role) == kRoles.end()) {
    fail("the role of input '{}' is '{}', not data, parameter or state", name, role);
  }
  const auto type = parse_tensor_type(text);
  if (!type) fail("the type of input '{}' is '{}'; expected one like f32[B,28,28,1]", name, text);
  if (role != "data" && !type->dims.empty() && type->dims[0] == kBatch) {
    fail("input '{}' is a {}: its type {} cannot depend on the batch", name, role, text);
  }
  return {*type};
}

}  // namespace

OpDef input_op() {
  OpDef op;
  op.name = "input";
  op.description = "a value from outside: batch rows, run-time scalars, parameters, states";
  op.attributes = {"name", "role", "type"};
  op.type_rule = input_type;
  op.samples = {
      {"image", {}, {{"name", "image"}, {"role", "data"}, {"type", "u8[B,28,28,1]"}}, {}},
      {"weight", {}, {{"name", "conv1.weight"}, {"role", "parameter"}, {"type", "f32[3]"}}, {}},
  };
  return op;
}

}  // namespace cnnc
