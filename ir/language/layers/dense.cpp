// dense(128): every output is a weighted sum of all inputs, plus a bias.
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

Value build(LayerContext& context) {
  const TensorType& x = context.type();
  if (x.dims.size() != 2)
    fail("dense: the {} input is not flat; put flatten before dense", shape_text(x.dims));
  const std::int64_t units = context.arguments.integer("units"), inputs = x.dims[1];
  const Value weight =
      context.parameter("weight", {inputs, units}, {Initializer::Kind::he_normal, inputs});
  const Value y = context.builder.op("matmul", {context.inputs[0], weight},
                                     {{"transpose_a", false}, {"transpose_b", false}});
  if (!context.arguments.boolean("bias")) return y;
  return context.builder.add(y, context.parameter("bias", {units}, {}));
}

}  // namespace

LayerDef dense_layer() {
  LayerDef layer;
  layer.name = "dense";
  layer.description = "fully connected layer";
  layer.notes =
      "y = x * weight + bias. The weight is [inputs, outputs], the transpose of PyTorch's "
      "Linear. It starts normal with mean 0 and deviation sqrt(2 / inputs) (He et al., 2015); "
      "the bias starts at 0.";
  layer.relatives = {"linear", "fully_connected", "fc", "gemm", "affine"};
  layer.arguments = {
      {.name = "units", .description = "outputs", .low = 1, .high = 1 << 20, .positional = true},
      {.name = "bias",
       .kind = ArgumentKind::boolean,
       .description = "adds a number to each output",
       .fallback = true},
  };
  layer.build = build;
  return layer;
}

}  // namespace cnnc
