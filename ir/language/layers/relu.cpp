// relu: max(x, 0).
#include "ir/language/layer.h"

namespace cnnc {

LayerDef relu_layer() {
  LayerDef layer;
  layer.name = "relu";
  layer.description = "x where positive, otherwise 0";
  layer.notes = "Its derivative at 0 is 0. NaN stays NaN.";
  layer.relatives = {"tanh", "sigmoid", "gelu",       "elu",   "selu",
                     "silu", "swish",   "leaky_relu", "prelu", "activation"};
  layer.build = [](LayerContext& context) {
    return context.builder.op("relu", {context.inputs[0]});
  };
  return layer;
}

}  // namespace cnnc
