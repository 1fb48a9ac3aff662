// conv2d_weight_gradient(x[n,h,w,ci], dy[n,oh,ow,co]) -> dw[kh,kw,ci/groups,co], kh and kw from the
// attribute `kernel`: the sum over samples, then rows, then columns. The border of zeros around x
// takes part: times a gradient that is not finite it is NaN. Its `padded` stage equals that
// of conv2d on the same x, so that one buffer serves both.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

Convolution convolution(const OpContext& context) {
  constexpr auto kName = "conv2d_weight_gradient";
  check_real(kName, "output gradient", context.operands[1], 4);
  const Convolution conv =
      make_convolution(kName, context.attributes, context.operands[0], context.operands[1].dims[3]);
  check_output_gradient(kName, conv, context.operands[1], context.operands[0].scalar);
  return conv;
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
  Stage stage{"weight_gradient", type, {ky, kx}, {n, y, x}, Reduction::add, {}};
  stage.axes.insert(stage.axes.end(), channels.inner.begin(), channels.inner.end());
  stage.axes.insert(stage.axes.end(), channels.outer.begin(), channels.outer.end());
  stage.value =
      load(source, type,
           {n.var, Expr(y.var) * window.stride[0] + Expr(ky.var) * window.dilation[0],
            Expr(x.var) * window.stride[1] + Expr(kx.var) * window.dilation[1], channels.in}) *
      load(1, type, {n.var, y.var, x.var, channels.out});
  result.results = {{false, static_cast<int>(result.stages.size())}};
  result.stages.push_back(std::move(stage));
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  const Dims input = builder.type(node.operands[0]).dims;
  const Attributes plain = convolution_attributes(node.attributes);
  Attributes for_input = plain;
  for_input.set("input", Dims(input.begin() + 1, input.end()));
  return {builder.op("conv2d_input_gradient", {node.operands[1], *gradients[0]}, for_input),
          builder.op("conv2d", {node.operands[0], *gradients[0]}, plain)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Convolution conv =
      make_convolution("reference", attributes, operands[0].type().dims, results[0].dims);
  const std::vector<double> x = to_doubles(operands[0]), dy = to_doubles(operands[1]);
  std::vector<double> dw(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_tap(conv, [&](std::size_t i, std::size_t k, std::size_t o) {
    dw[k] += element_of(x, i) * dy[o];
  });
  return {to_tensor(results[0], dw)};
}

std::vector<Sample> samples() {
  std::vector<Sample> result;
  for (Sample sample : convolution_samples()) {
    const Dims kernel = sample.operands[1].dims;
    const Convolution conv =
        make_convolution("sample", sample.attributes, sample.operands[0].dims, kernel);
    sample.operands[1].dims = conv.output();
    sample.attributes.set("kernel", Dims{kernel[0], kernel[1]});
    result.push_back(std::move(sample));
  }
  return result;
}

}  // namespace

OpDef conv2d_weight_gradient_op() {
  OpDef op;
  op.name = "conv2d_weight_gradient";
  op.description =
      "gradient of conv2d with respect to its weights, from x and the output's gradient";
  op.attributes = {"stride", "pad", "dilation", "groups", "kernel"};
  op.type_rule = [](const OpContext& context) {
    expect_operands("conv2d_weight_gradient", context, 2);
    return std::vector<TensorType>{{context.operands[0].scalar, convolution(context).kernel()}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.flops = [](const OpContext& context) { return convolution(context).flops(); };
  op.samples = samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
