// concat {axis=3}: operands one after the other along a dimension.
#include <algorithm>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

constexpr std::size_t kMaxOperands = 64;  // each is a select in the stage's expression

std::vector<TensorType> concat_type(const OpContext& context) {
  const std::int64_t axis = context.attributes.integer("axis");
  const std::size_t count = context.operands.size();
  if (count < 1 || count > kMaxOperands) {
    fail("concat takes 1 to {} operands, not {}", kMaxOperands, count);
  }
  TensorType result = context.operands[0];
  if (axis < 0 || axis >= static_cast<std::int64_t>(result.dims.size())) {
    fail("{}: there is no dimension {}", describe("concat", context.operands), axis);
  }
  const std::size_t at = static_cast<std::size_t>(axis);
  const auto appends_rows = [at](const TensorType& operand) {
    return at < operand.dims.size() && operand.dims[at] == kBatch;
  };
  if (std::ranges::any_of(context.operands, appends_rows)) {
    fail("{}: rows of the batch cannot be appended", describe("concat", context.operands));
  }
  for (const TensorType& operand : context.operands.subspan(1)) {
    TensorType expected = context.operands[0];
    if (operand.dims.size() == expected.dims.size()) expected.dims[at] = operand.dims[at];
    if (operand != expected || operand.dims[at] > kMaxElements - result.dims[at]) {
      fail("{}: operands must agree in all but dimension {}", describe("concat", context.operands),
           axis);
    }
    result.dims[at] += operand.dims[at];
  }
  return {result};
}

std::vector<std::optional<Value>> concat_gradient(Builder& builder, const Node& node,
                                                  std::span<const Value>,
                                                  std::span<const std::optional<Value>> gradients) {
  std::vector<std::optional<Value>> own(node.operands.size());
  if (!gradients[0]) return own;
  const std::size_t at = static_cast<std::size_t>(node.attributes.integer("axis"));
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    Dims end = builder.type(node.operands[i]).dims;
    Dims begin(end.size(), 0);
    begin[at] = offset;
    end[at] += offset;
    offset = end[at];
    own[i] = builder.op("slice", {*gradients[0]}, {{"begin", begin}, {"end", end}});
  }
  return own;
}

Computation concat_compute(const OpContext& context) {
  const std::size_t at = static_cast<std::size_t>(context.attributes.integer("axis"));
  Stage stage;
  stage.name = "value";
  stage.type = context.results[0].scalar;
  stage.axes = axes_of(context.results[0].dims);
  const Expr position = stage.axes[at].var;
  std::int64_t end = context.results[0].dims[at];
  for (std::size_t i = context.operands.size(); i-- > 0;) {
    const std::int64_t size = context.operands[i].dims[at];
    const std::int64_t begin = end - size;
    std::vector<Expr> index = indices_of(stage.axes);
    index[at] = position - Expr(begin);
    if (context.operands.size() > 1) index[at] = min(max(index[at], 0), size - 1);
    const Expr element = load_operand(context, i, std::move(index));
    stage.value = stage.value ? select(position < Expr(end), element, stage.value) : element;
    end = begin;
  }
  return single_stage(std::move(stage));
}

std::vector<Tensor> concat_reference(std::span<const Tensor> operands,
                                     std::span<const TensorType> results,
                                     const Attributes& attributes) {
  const std::size_t at = static_cast<std::size_t>(attributes.integer("axis"));
  Tensor out(results[0]);
  std::int64_t outer = 1, inner = 1;
  for (std::size_t d = 0; d < out.dims().size(); ++d) {
    if (d < at) outer *= out.dims()[d];
    if (d > at) inner *= out.dims()[d];
  }
  std::int64_t to = 0;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const Tensor& operand : operands) {
      const std::int64_t run = operand.dims()[at] * inner;
      for (std::int64_t i = 0; i < run; ++i) out.set(to++, operand.get(o * run + i));
    }
  }
  return {std::move(out)};
}

}  // namespace

OpDef concat_op() {
  OpDef op;
  op.name = "concat";
  op.description = "operands one after the other along a dimension";
  op.attributes = {"axis"};
  op.carries_size = true;
  op.type_rule = concat_type;
  op.gradient = concat_gradient;
  op.compute = concat_compute;
  op.reference = concat_reference;
  op.exact_on_integers = true;
  const auto f32 = [](Dims dims) { return TensorType{ScalarType::f32, std::move(dims)}; };
  op.samples = {
      {"channels",
       {f32({kBatch, 3, 2, 1}), f32({kBatch, 3, 2, 4})},
       {{"axis", std::int64_t{3}}},
       {}},
      {"rows", {f32({3, 5}), f32({1, 5}), f32({2, 5})}, {{"axis", std::int64_t{0}}}, {}},
      {"one", {f32({kBatch, 3})}, {{"axis", std::int64_t{1}}}, {}},
  };
  return op;
}

}  // namespace cnnc
