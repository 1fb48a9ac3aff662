// conv(32, 3x3, pad=1): 2-D convolution with a bias.
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

Value build(LayerContext& context) {
  const Attributes& arguments = context.arguments;
  const TensorType& x = context.type();
  if (x.dims.size() != 4)
    fail("conv: needs a height x width x channels input, not {}", shape_text(x.dims));
  const Dims& size = arguments.integers("size");
  const Dims& pad = arguments.integers("pad");
  const std::int64_t outputs = arguments.integer("channels"), groups = arguments.integer("groups");
  const std::int64_t channels = x.dims[3];
  if (channels % groups != 0 || outputs % groups != 0) {
    fail("conv: {} groups do not divide the {} channels of the {} input and the {} output channels",
         groups, channels, shape_text(x.dims), outputs);
  }
  const Attributes attributes{{"stride", arguments.integers("stride")},
                              {"pad", Dims{pad[0], pad[0], pad[1], pad[1]}},
                              {"dilation", arguments.integers("dilation")},
                              {"groups", groups}};
  check_fits("conv", conv_window("conv", attributes, size[0], size[1]), x.dims);
  const std::int64_t group_in = channels / groups;
  const Value weight =
      context.parameter("weight", {size[0], size[1], group_in, outputs},
                        {Initializer::Kind::he_normal, size[0] * size[1] * group_in});
  const Value y = context.builder.op("conv2d", {context.inputs[0], weight}, attributes);
  if (!arguments.boolean("bias")) return y;
  return context.builder.add(y, context.parameter("bias", {outputs}, {}));
}

}  // namespace

LayerDef conv_layer() {
  using Kind = ArgumentKind;
  LayerDef layer;
  layer.name = "conv";
  layer.description = "2-D convolution";
  layer.notes =
      "The weight is [height, width, input channels / groups, output channels] and is not "
      "flipped, as PyTorch's Conv2d (whose weight is [output, input / groups, height, width]). "
      "It starts normal with mean 0 and deviation sqrt(2 / fan-in), the fan-in being height * "
      "width * input channels / groups (He et al., 2015); the bias starts at 0. pad=1x2 is one "
      "row of zeros above and one below, two columns left and two right. A side becomes (side + "
      "2 * pad - dilation * (size - 1) - 1) / stride + 1, rounded down.";
  layer.relatives = {"convolution", "convolution2d", "depthwise_conv"};
  layer.arguments = {
      {.name = "channels",
       .description = "output channels",
       .low = 1,
       .high = 65536,
       .positional = true},
      {.name = "size",
       .kind = Kind::size2,
       .description = "kernel height x width",
       .low = 1,
       .high = 1024,
       .positional = true},
      {.name = "stride",
       .kind = Kind::size2,
       .description = "step from window to window",
       .fallback = Dims{1, 1},
       .low = 1,
       .high = 1024},
      {.name = "pad",
       .kind = Kind::size2,
       .description = "zeros above and below x left and right",
       .fallback = Dims{0, 0},
       .low = 0,
       .high = 1024},
      {.name = "dilation",
       .kind = Kind::size2,
       .description = "distance between the kernel's taps",
       .fallback = Dims{1, 1},
       .low = 1,
       .high = 1024},
      {.name = "groups",
       .description = "groups of channels that do not mix",
       .fallback = std::int64_t{1},
       .low = 1,
       .high = 65536},
      {.name = "bias",
       .kind = Kind::boolean,
       .description = "adds a number to each channel",
       .fallback = true},
  };
  layer.build = build;
  return layer;
}

}  // namespace cnnc
