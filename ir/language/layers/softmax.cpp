// softmax: exp(log_softmax(x)), so that a loss that wants the logarithm finds log_softmax, which is
// exact where softmax underflows.
#include "ir/language/layer.h"

namespace cnnc {

LayerDef softmax_layer() {
  LayerDef layer;
  layer.name = "softmax";
  layer.description = "probabilities along the channels";
  layer.notes =
      "exp(x) / sum(exp(x)) over the last axis, by way of log_softmax: neither overflows, and "
      "the loss sees exact logarithms.";
  layer.relatives = {"log_softmax"};
  layer.meaning = Meaning::probabilities;
  layer.build = [](LayerContext& context) {
    return context.builder.op("exp", {context.builder.op("log_softmax", {context.inputs[0]})});
  };
  return layer;
}

}  // namespace cnnc
