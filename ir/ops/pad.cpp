// pad {low=[0,1], high=[0,2]}: zeros before and after the elements of each dimension (none along
// the batch).
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

std::vector<TensorType> pad_type(const OpContext& context) {
  expect_operands("pad", context, 1);
  const TensorType& from = context.operands[0];
  const Dims& low = context.attributes.integers("low");
  const Dims& high = context.attributes.integers("high");
  bool valid = low.size() == from.dims.size() && high.size() == from.dims.size();
  TensorType to = from;
  for (std::size_t i = 0; valid && i < low.size(); ++i) {
    valid = low[i] >= 0 && high[i] >= 0 && low[i] <= kMaxElements && high[i] <= kMaxElements;
    if (from.dims[i] == kBatch) {
      valid = low[i] == 0 && high[i] == 0;
    } else {
      to.dims[i] += low[i] + high[i];
    }
  }
  if (!valid) {
    fail("pad: {} cannot get {} zeros before and {} after", to_string(from), to_string(low),
         to_string(high));
  }
  return {to};
}

std::vector<std::optional<Value>> pad_gradient(Builder& builder, const Node& node,
                                               std::span<const Value>,
                                               std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  const Dims& low = node.attributes.integers("low");
  Dims end = builder.type(node.operands[0]).dims;
  for (std::size_t i = 0; i < end.size(); ++i) end[i] += low[i];
  return {builder.op("slice", {*gradients[0]}, {{"begin", low}, {"end", end}})};
}

Computation pad_compute(const OpContext& context) {
  const Dims& low = context.attributes.integers("low");
  const Dims& high = context.attributes.integers("high");
  const Dims& from = context.operands[0].dims;
  const ScalarType type = context.results[0].scalar;
  Stage stage;
  stage.name = "value";
  stage.type = type;
  stage.axes = axes_of(context.results[0].dims);
  std::vector<Expr> index = indices_of(stage.axes);
  Expr inside;
  const auto require = [&](const Expr& condition) {
    inside = inside ? inside & condition : condition;
  };
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (low[i] == 0 && high[i] == 0) continue;
    const Expr position = index[i];
    index[i] = min(max(position - Expr(low[i]), 0), from[i] - 1);
    if (low[i] > 0) require(Expr(low[i]) <= position);
    if (high[i] > 0) require(position < Expr(low[i] + from[i]));
  }
  const Expr zero = is_float(type) ? constant(type, 0) : integer_constant(type, 0);
  stage.value = load_operand(context, 0, std::move(index));
  if (inside) stage.value = select(inside, stage.value, zero);
  return single_stage(std::move(stage));
}

std::vector<Tensor> pad_reference(std::span<const Tensor> operands,
                                  std::span<const TensorType> results,
                                  const Attributes& attributes) {
  const Dims& low = attributes.integers("low");
  const Dims& from = operands[0].dims();
  Tensor out(results[0]);  // zeros
  const auto strides = strides_of(out.dims());
  for (std::int64_t i = 0; i < operands[0].size(); ++i) {
    std::int64_t rest = i, to = 0;
    for (std::size_t d = from.size(); d-- > 0;) {
      to += (low[d] + rest % from[d]) * strides[d];
      rest /= from[d];
    }
    out.set(to, operands[0].get(i));
  }
  return {std::move(out)};
}

}  // namespace

OpDef pad_op() {
  OpDef op;
  op.name = "pad";
  op.description = "zeros around the elements";
  op.attributes = {"low", "high"};
  op.carries_size = true;
  op.type_rule = pad_type;
  op.gradient = pad_gradient;
  op.compute = pad_compute;
  op.reference = pad_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"image",
       {{ScalarType::f32, {kBatch, 3, 2, 1}}},
       {{"low", Dims{0, 1, 0, 2}}, {"high", Dims{0, 0, 3, 1}}},
       {}},
      {"vector", {{ScalarType::f32, {17}}}, {{"low", Dims{3}}, {"high", Dims{0}}}, {}},
      {"none", {{ScalarType::f32, {kBatch, 3}}}, {{"low", Dims{0, 0}}, {"high", Dims{0, 0}}}, {}},
  };
  return op;
}

}  // namespace cnnc
