// avgpool(x[n,h,w,c]) -> the mean of each window. Padding counts as zeros and is part of the mean
// (PyTorch's default, count_include_pad).
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"
#include "ir/ops/pooling.h"

namespace cnnc {
namespace {

Computation compute(const OpContext& context) {
  const Pooling pooling = make_pooling("avgpool", context.attributes, context.operands[0]);
  const Window& window = pooling.window;
  const ScalarType type = context.operands[0].scalar;
  Computation result;
  BufferId source = 0;
  if (window.padded()) {
    result.stages.push_back(pad_stage(0, context.operands[0], window, 0));
    source = 1;
  }
  const Axis n = make_axis("n", pooling.output[0]), y = make_axis("y", pooling.output[1]),
             x = make_axis("x", pooling.output[2]), c = make_axis("c", pooling.output[3]);
  const Axis ky = make_axis("ky", window.kernel[0]), kx = make_axis("kx", window.kernel[1]);
  const BufferId sum = 1 + static_cast<BufferId>(result.stages.size());
  result.stages.push_back({"sum",
                           type,
                           {n, y, x, c},
                           {ky, kx},
                           Reduction::add,
                           load(source, type,
                                {n.var, Expr(y.var) * window.stride[0] + Expr(ky.var),
                                 Expr(x.var) * window.stride[1] + Expr(kx.var), c.var})});
  const std::vector<Axis> axes = axes_of(pooling.output);
  const Expr area = constant(type, static_cast<double>(pooling.area()));
  result.stages.push_back(
      {"mean", type, axes, {}, Reduction::add, load(sum, type, indices_of(axes)) / area});
  result.results = {{false, sum}};
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  Attributes attributes = node.attributes;
  const Dims input = builder.type(node.operands[0]).dims;
  attributes.set("input", Dims(input.begin() + 1, input.end()));
  return {builder.op("avgpool_gradient", {*gradients[0]}, attributes)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Pooling pooling = make_pooling("avgpool", attributes, operands[0].type());
  const std::vector<double> x = to_doubles(operands[0]);
  std::vector<double> y(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_window_element(pooling,
                          [&](std::size_t i, std::size_t o, std::int64_t) { y[o] += x[i]; });
  for (double& value : y) value /= static_cast<double>(pooling.area());
  return {to_tensor(results[0], y)};
}

}  // namespace

OpDef avgpool_op() {
  OpDef op;
  op.name = "avgpool";
  op.description = "mean of each window; padding counts as zeros";
  op.notes = "The sum is divided by the whole window, padding included.";
  op.attributes = {"size", "stride", "pad"};
  op.carries_size = true;
  op.type_rule = [](const OpContext& context) {
    expect_operands("avgpool", context, 1);
    return std::vector<TensorType>{
        {context.operands[0].scalar,
         make_pooling("avgpool", context.attributes, context.operands[0]).output}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.samples = pooling_samples();
  return op;
}

}  // namespace cnnc
