// maxpool(2x2), avgpool(2x2): the maximum or the mean of each window.
#include "ir/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

LayerDef pool(std::string name, std::string description) {
  LayerDef layer;
  layer.name = name;
  layer.description = std::move(description);
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

LayerDef maxpool_layer() { return pool("maxpool", "maximum of each window; padding never wins"); }
LayerDef avgpool_layer() { return pool("avgpool", "mean of each window; padding counts as zeros"); }

}  // namespace cnnc
