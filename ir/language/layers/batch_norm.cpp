// batch_norm: each channel shifted and scaled to mean 0 and variance 1, then by the learnt weight
// and bias. Training takes mean and (biased) variance of the rows of the call and moves the running
// ones towards them, the variance unbiased; inference takes the running ones. As PyTorch's
// BatchNorm2d.
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

struct Statistics {
  Value mean, variance;
};

/// Of the call's rows; records the new running statistics.
Statistics batch_statistics(LayerContext& context, Value running_mean, Value running_variance) {
  Builder& builder = context.builder;
  const Value x = context.inputs[0];
  const Dims dims = builder.type(x).dims;
  const auto number = [&](double value) { return builder.constant(context.real, value); };
  Dims axes;
  std::int64_t pixels = 1;
  for (std::size_t i = 0; i + 1 < dims.size(); ++i) {
    axes.push_back(static_cast<std::int64_t>(i));
    if (i > 0) pixels *= dims[i];
  }
  if (builder.batch() * pixels < 2) {
    fail(
        "batch_norm: a step of one image has one value a channel here, which it makes 0 whatever "
        "it "
        "was, so that nothing in front of it trains; take a batch of 2 or more");
  }
  const Value count = builder.mul(builder.count(context.real), number(static_cast<double>(pixels)));
  const Value mean = builder.div(builder.reduce_sum(x, axes), count);
  const Value centered = builder.sub(x, mean);
  const Value squares = builder.reduce_sum(builder.mul(centered, centered), axes);
  const Value variance = builder.div(squares, count);
  const Value unbiased =
      builder.div(squares, builder.op("max", {builder.sub(count, number(1)), number(1)}));

  const double momentum = context.arguments.real("momentum");
  const auto moved = [&](Value running, Value now) {
    const Value next =
        builder.add(builder.mul(running, number(1 - momentum)), builder.mul(now, number(momentum)));
    if (pixels > 1) return next;
    // A last batch of one row has no variance, and a mean of its own alone.
    const Value enough = builder.op("less_equal", {number(2), count});
    return builder.op("select", {enough, next, running});
  };
  context.update("running_mean", moved(running_mean, mean));
  context.update("running_var", moved(running_variance, unbiased));
  return {mean, variance};
}

Value build(LayerContext& context) {
  Builder& builder = context.builder;
  const Dims& dims = context.type().dims;
  if (dims.size() < 2) fail("batch_norm: needs channels, not {}", to_string(dims));
  const Dims channels{dims.back()};
  const Value weight = context.parameter("weight", channels, {Initializer::Kind::ones});
  const Value bias = context.parameter("bias", channels, {});
  Statistics use{context.state("running_mean", channels, {}),
                 context.state("running_var", channels, {Initializer::Kind::ones}, 0)};
  if (context.mode == Mode::train) use = batch_statistics(context, use.mean, use.variance);
  const Value epsilon = builder.constant(context.real, context.arguments.real("eps"));
  const Value scale = builder.div(weight, builder.op("sqrt", {builder.add(use.variance, epsilon)}));
  return builder.add(builder.mul(builder.sub(context.inputs[0], use.mean), scale), bias);
}

}  // namespace

LayerDef batch_norm_layer() {
  LayerDef layer;
  layer.name = "batch_norm";
  layer.description = "normalises each channel over the batch";
  layer.notes =
      "y = (x - mean) / sqrt(variance + eps) * weight + bias, for each channel. Training takes "
      "mean and variance over the images of the step and their pixels, the variance biased "
      "(divided by n). The running mean starts at 0, the running variance at 1; each step moves "
      "them by running = (1 - momentum) * running + momentum * new, with the unbiased variance "
      "(divided by n - 1), as PyTorch's BatchNorm2d does. --eval and --predict take the running "
      "ones. The weight starts at 1, the bias at 0. A channel needs two values or more: a batch "
      "of one image without pixels is refused, and a last batch of one leaves the running "
      "statistics as they are.";
  layer.relatives = {"bn", "layer_norm", "group_norm", "instance_norm", "normalize"};
  layer.arguments = {
      {.name = "eps",
       .kind = ArgumentKind::real,
       .description = "added to the variance",
       .fallback = 1e-5,
       .low = 0,
       .high = 1,
       .low_open = true},
      {.name = "momentum",
       .kind = ArgumentKind::real,
       .description = "weight of the newest batch in the running statistics",
       .fallback = 0.1,
       .low = 0,
       .high = 1},
  };
  layer.build = build;
  return layer;
}

}  // namespace cnnc
