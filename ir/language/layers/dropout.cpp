// dropout(0.5): in training each value is 0 with that probability and otherwise scaled so that its
// mean stays; in inference nothing happens. Which values depends on seed, step and the row's sample
// number, not on where in the batch the row is.
#include "ir/language/layer.h"

namespace cnnc {

LayerDef dropout_layer() {
  LayerDef layer;
  layer.name = "dropout";
  layer.description = "zeroes values at random in training";
  layer.notes =
      "In training a value becomes 0 with probability rate and is multiplied by 1 / (1 - rate) "
      "otherwise, so that its mean stays; --eval and --predict leave it alone. Which values "
      "depends on the seed, the step and the image's number in the data set, not on its place "
      "in the batch.";
  layer.relatives = {"drop"};
  layer.arguments = {{.name = "rate",
                      .kind = ArgumentKind::real,
                      .description = "probability of a zero",
                      .low = 0,
                      .high = 1,
                      .high_open = true,
                      .positional = true}};
  layer.meaning = Meaning::as_input;  // where predictions are made
  layer.build = [](LayerContext& context) {
    const double rate = context.arguments.real("rate");
    const Value x = context.inputs[0];
    if (context.mode == Mode::infer || rate == 0) return x;
    Builder& builder = context.builder;
    const auto number = [&](double value) { return builder.constant(context.real, value); };
    const Value keep =
        builder.op("less_equal", {number(rate), context.random_uniform(context.type().dims)});
    return builder.op("select", {keep, builder.mul(x, number(1 / (1 - rate))), number(0)});
  };
  return layer;
}

}  // namespace cnnc
