// maxpool(2x2), avgpool(2x2): the maximum or the mean of each window.
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

LayerDef pool(std::string name, std::string description, std::string notes,
              std::vector<std::string> relatives) {
  LayerDef layer;
  layer.name = name;
  layer.description = std::move(description);
  layer.notes = std::move(notes);
  layer.relatives = std::move(relatives);
  layer.arguments = {
      {.name = "size",
       .kind = ArgumentKind::size2,
       .description = "window height x width",
       .low = 1,
       .high = 1024,
       .positional = true},
      // 0x0, which nobody can write, stands for the window's size.
      {.name = "stride",
       .kind = ArgumentKind::size2,
       .description = "step from window to window; the window's size unless given",
       .fallback = Dims{0, 0},
       .low = 1,
       .high = 1024},
      {.name = "pad",
       .kind = ArgumentKind::size2,
       .description = "border above and below x left and right, smaller than the window",
       .fallback = Dims{0, 0},
       .low = 0,
       .high = 1024},
  };
  layer.build = [name](LayerContext& context) {
    const Dims& dims = context.type().dims;
    if (dims.size() != 4)
      fail("{}: needs a height x width x channels input, not {}", name, shape_text(dims));
    const Dims& size = context.arguments.integers("size");
    const Dims& pad = context.arguments.integers("pad");
    const Dims& stride = context.arguments.integers("stride");
    const Attributes attributes{{"size", size},
                                {"stride", stride == Dims{0, 0} ? size : stride},
                                {"pad", Dims{pad[0], pad[0], pad[1], pad[1]}}};
    check_fits(name, pool_window(name, attributes), dims);
    return context.builder.op(name, {context.inputs[0]}, attributes);
  };
  return layer;
}

}  // namespace

LayerDef maxpool_layer() {
  return pool(
      "maxpool", "maximum of each window; padding never wins",
      "Of equal values the first in reading order takes the gradient. NaN wins. A side becomes "
      "(side + 2 * pad - size) / stride + 1, rounded down: what is left at the border is "
      "ignored.",
      {"pool", "global_max_pooling"});
}
LayerDef avgpool_layer() {
  return pool(
      "avgpool", "mean of each window; padding counts as zeros",
      "The sum is divided by the whole window, padding included (PyTorch's "
      "count_include_pad=True). A side becomes (side + 2 * pad - size) / stride + 1, rounded "
      "down: what is left at the border is ignored.",
      {"average_pooling", "mean_pool", "global_average_pooling", "adaptive_avg_pool"});
}

}  // namespace cnnc
