// flatten: height x width x channels in one row, in that order.
#include "ir/language/layer.h"

namespace cnnc {

LayerDef flatten_layer() {
  LayerDef layer;
  layer.name = "flatten";
  layer.description = "all values of a sample in one row";
  layer.notes =
      "Row by row, the channels of a pixel side by side: the value at (y, x, channel) becomes "
      "number (y * width + x) * channels + channel. PyTorch's order is channel, y, x: rows of a "
      "dense weight behind it have to be put in order when weights are carried over.";
  layer.relatives = {"reshape", "view"};
  layer.meaning = Meaning::as_input;
  layer.build = [](LayerContext& context) {
    const Dims& dims = context.type().dims;
    const Dims sample(dims.begin() + 1, dims.end());
    return context.builder.reshape(context.inputs[0], {dims[0], element_count(sample, 1)});
  };
  return layer;
}

}  // namespace cnnc
