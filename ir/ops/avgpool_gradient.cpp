// avgpool_gradient(dy) -> dx[n,h,w,c], h, w and c from the attribute `input`: each window's
// gradient goes in equal parts to its elements. A gather.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"
#include "ir/ops/pooling.h"

namespace cnnc {
namespace {

constexpr auto kName = "avgpool_gradient";

Computation compute(const OpContext& context) {
  const ScalarType type = context.operands[0].scalar;
  const Pooling pooling = make_pooling_gradient(kName, context.attributes, context.operands[0]);
  const Expr area = constant(type, static_cast<double>(pooling.area()));
  return single_stage(gather_from_windows(pooling, type, [&](std::vector<Expr> output, Expr) {
    return load(0, type, std::move(output)) / area;
  }));
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  Attributes attributes;
  for (const auto* name : {"size", "stride", "pad"})
    attributes.set(name, *node.attributes.find(name));
  return {builder.op("avgpool", {*gradients[0]}, attributes)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Pooling pooling = make_pooling_gradient(kName, attributes, operands[0].type());
  const std::vector<double> dy = to_doubles(operands[0]);
  std::vector<double> dx(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_window_element(pooling, [&](std::size_t i, std::size_t o, std::int64_t) {
    dx[i] += dy[o] / static_cast<double>(pooling.area());
  });
  return {to_tensor(results[0], dx)};
}

}  // namespace

OpDef avgpool_gradient_op() {
  OpDef op;
  op.name = kName;
  op.description = "gradient of avgpool with respect to x";
  op.attributes = {"size", "stride", "pad", "input"};
  op.type_rule = [](const OpContext& context) {
    expect_operands(kName, context, 1);
    return std::vector<TensorType>{
        {context.operands[0].scalar,
         make_pooling_gradient(kName, context.attributes, context.operands[0]).input}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.samples = pooling_gradient_samples();
  return op;
}

}  // namespace cnnc
