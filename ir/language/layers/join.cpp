// add(skip), concat(a, b): several values become one.
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

void need_two(std::string_view layer, const LayerContext& context) {
  if (context.inputs.size() < 2)
    fail("{}: needs at least one further value, as in `-> {}(skip)`", layer, layer);
}

Value build_add(LayerContext& context) {
  need_two("add", context);
  Value sum = context.inputs[0];
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    if (context.type(i) != context.type(0))
      fail("add: {} and {} differ in shape", shape_text(context.type(0).dims),
           shape_text(context.type(i).dims));
    sum = context.builder.add(sum, context.inputs[i]);
  }
  return sum;
}

Value build_concat(LayerContext& context) {
  need_two("concat", context);
  const Dims& first = context.type(0).dims;
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    Dims dims = context.type(i).dims;
    if (dims.size() == first.size()) dims.back() = first.back();
    if (dims != first) {
      fail("concat: {} and {} differ in more than their channels", shape_text(first),
           shape_text(context.type(i).dims));
    }
  }
  return context.builder.op("concat", context.inputs,
                            {{"axis", static_cast<std::int64_t>(first.size()) - 1}});
}

}  // namespace

LayerDef add_layer() {
  LayerDef layer;
  layer.name = "add";
  layer.description = "sum of values of one shape";
  layer.notes =
      "`x -> add(a, b)` is x + a + b; `add(a, b)` at the beginning of a chain is a + b alone.";
  layer.relatives = {"sum", "plus", "residual"};
  layer.inputs = -1;
  layer.build = build_add;
  return layer;
}

LayerDef concat_layer() {
  LayerDef layer;
  layer.name = "concat";
  layer.description = "values side by side along their channels";
  layer.notes =
      "Channels in the order written, the value in front of the arrow first; at the beginning "
      "of a chain the arguments alone.";
  layer.relatives = {"cat", "merge", "stack"};
  layer.inputs = -1;
  layer.build = build_concat;
  return layer;
}

}  // namespace cnnc
