// slice {begin=[0,1], end=[B,3]}: elements begin .. end of each dimension. The batch dimension is
// kept whole (0 .. B).
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

std::vector<TensorType> slice_type(const OpContext& context) {
  expect_operands("slice", context, 1);
  const TensorType& from = context.operands[0];
  const Dims& begin = context.attributes.integers("begin");
  const Dims& end = context.attributes.integers("end");
  bool valid = begin.size() == from.dims.size() && end.size() == from.dims.size();
  TensorType to{from.scalar, {}};
  for (std::size_t i = 0; valid && i < begin.size(); ++i) {
    if (from.dims[i] == kBatch) {
      valid = begin[i] == 0 && end[i] == kBatch;
      to.dims.push_back(kBatch);
    } else {
      valid = begin[i] >= 0 && begin[i] < end[i] && end[i] <= from.dims[i];
      to.dims.push_back(valid ? end[i] - begin[i] : 1);
    }
  }
  if (!valid) {
    fail("slice: {} has no part {} to {}", to_string(from), to_string(begin), to_string(end));
  }
  return {to};
}

std::vector<std::optional<Value>> slice_gradient(Builder& builder, const Node& node,
                                                 std::span<const Value>,
                                                 std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  const Dims& from = builder.type(node.operands[0]).dims;
  Dims high = node.attributes.integers("end");
  for (std::size_t i = 0; i < high.size(); ++i) high[i] = from[i] - high[i];  // B - B is 0
  return {builder.op("pad", {*gradients[0]},
                     {{"low", node.attributes.integers("begin")}, {"high", high}})};
}

Computation slice_compute(const OpContext& context) {
  const Dims& begin = context.attributes.integers("begin");
  Stage stage;
  stage.name = "value";
  stage.type = context.results[0].scalar;
  stage.axes = axes_of(context.results[0].dims);
  std::vector<Expr> index = indices_of(stage.axes);
  for (std::size_t i = 0; i < index.size(); ++i) index[i] = index[i] + Expr(begin[i]);
  stage.value = load_operand(context, 0, std::move(index));
  return single_stage(std::move(stage));
}

std::vector<Tensor> slice_reference(std::span<const Tensor> operands,
                                    std::span<const TensorType> results,
                                    const Attributes& attributes) {
  const Dims& begin = attributes.integers("begin");
  const auto strides = strides_of(operands[0].dims());
  Tensor out(results[0]);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    std::int64_t rest = i, from = 0;
    for (std::size_t d = begin.size(); d-- > 0;) {
      from += (begin[d] + rest % out.dims()[d]) * strides[d];
      rest /= out.dims()[d];
    }
    out.set(i, operands[0].get(from));
  }
  return {std::move(out)};
}

}  // namespace

OpDef slice_op() {
  OpDef op;
  op.name = "slice";
  op.description = "a part of each dimension";
  op.attributes = {"begin", "end"};
  op.carries_size = true;
  op.type_rule = slice_type;
  op.gradient = slice_gradient;
  op.compute = slice_compute;
  op.reference = slice_reference;
  op.exact_on_integers = true;
  op.samples = {
      {"image",
       {{ScalarType::f32, {kBatch, 5, 3, 2}}},
       {{"begin", Dims{0, 1, 0, 1}}, {"end", Dims{kBatch, 4, 3, 2}}},
       {}},
      {"vector", {{ScalarType::f32, {17}}}, {{"begin", Dims{16}}, {"end", Dims{17}}}, {}},
      {"whole", {{ScalarType::f32, {3, 1}}}, {{"begin", Dims{0, 0}}, {"end", Dims{3, 1}}}, {}},
  };
  return op;
}

}  // namespace cnnc
