// conv2d(x[n,h,w,ci], w[kh,kw,ci/groups,co]): cross-correlation. The sum runs in the order ky, kx,
// ci; output channels are innermost and contiguous in the output and in the weights. The border of
// zeros takes part: times a weight that is not finite it is NaN.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

Convolution convolution(const OpContext& context) {
  return make_convolution("conv2d", context.attributes, context.operands[0], context.operands[1]);
}

Computation compute(const OpContext& context) {
  const Convolution conv = convolution(context);
  const Window& window = conv.window;
  const ScalarType type = context.operands[0].scalar;
  Computation result;
  BufferId source = 0;
  if (window.padded()) {
    result.stages.push_back(pad_stage(0, context.operands[0], window, 0));
    source = 2;
  }
  const Axis n = make_axis("n", conv.batch), y = make_axis("y", conv.output()[1]),
             x = make_axis("x", conv.output()[2]);
  const Axis ky = make_axis("ky", window.kernel[0]), kx = make_axis("kx", window.kernel[1]);
  const ChannelAxes channels = channel_axes(conv);
  Stage stage{"conv", type, {n, y, x}, {ky, kx}, Reduction::add, {}};
  stage.axes.insert(stage.axes.end(), channels.outer.begin(), channels.outer.end());
  stage.reduce.insert(stage.reduce.end(), channels.inner.begin(), channels.inner.end());
  stage.value =
      load(source, type,
           {n.var, Expr(y.var) * window.stride[0] + Expr(ky.var) * window.dilation[0],
            Expr(x.var) * window.stride[1] + Expr(kx.var) * window.dilation[1], channels.in}) *
      load(1, type, {ky.var, kx.var, channels.group_in, channels.out});
  result.results = {{false, static_cast<int>(result.stages.size())}};
  result.stages.push_back(std::move(stage));
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  const Value x = node.operands[0], w = node.operands[1];
  const Dims input = builder.type(x).dims, kernel = builder.type(w).dims;
  Attributes for_input = node.attributes, for_weight = node.attributes;
  for_input.set("input", Dims(input.begin() + 1, input.end()));
  for_weight.set("kernel", Dims(kernel.begin(), kernel.begin() + 2));
  return {builder.op("conv2d_input_gradient", {*gradients[0], w}, for_input),
          builder.op("conv2d_weight_gradient", {x, *gradients[0]}, for_weight)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Convolution conv =
      make_convolution("conv2d", attributes, operands[0].type(), operands[1].type());
  const std::vector<double> x = to_doubles(operands[0]), w = to_doubles(operands[1]);
  std::vector<double> y(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_tap(
      conv, [&](std::size_t i, std::size_t k, std::size_t o) { y[o] += element_of(x, i) * w[k]; });
  return {to_tensor(results[0], y)};
}

}  // namespace

OpDef conv2d_op() {
  OpDef op;
  op.name = "conv2d";
  op.description = "2-D cross-correlation of x[n,h,w,ci] with w[kh,kw,ci/groups,co]";
  op.notes =
      "w is not flipped. pad is four numbers: rows of zeros above and below, columns left and "
      "right. A side "
      "becomes (side + both pads - dilation * (kernel - 1) - 1) / stride + 1, rounded down; what a "
      "last "
      "window would reach beyond is left out. A NaN of w reaches the border: zeros are multiplied, "
      "too.";
  op.attributes = {"stride", "pad", "dilation", "groups"};
  op.carries_size = true;
  op.type_rule = [](const OpContext& context) {
    expect_operands("conv2d", context, 2);
    return std::vector<TensorType>{{context.operands[0].scalar, convolution(context).output()}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.flops = [](const OpContext& context) { return convolution(context).flops(); };
  op.samples = convolution_samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
