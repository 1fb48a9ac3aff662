// sgd(lr, momentum, nesterov, weight_decay), as PyTorch's torch.optim.SGD:
//   g = gradient + weight_decay * w      v = momentum * v + g, from 0
//   w = w - lr * g;   with momentum w - lr * v;   with nesterov w - lr * (g + momentum * v)
#include "ir/language/layer.h"

namespace cnnc {
namespace {

std::vector<std::string> states(const Attributes& arguments) {
  if (arguments.real("momentum") != 0) return {"momentum"};
  if (arguments.boolean("nesterov")) fail("sgd: nesterov needs a momentum above 0");
  return {};
}

Value update(OptimizerContext& context) {
  Builder& builder = context.builder;
  const ScalarType type = builder.type(context.parameter).scalar;
  const auto scaled = [&](Value x, double factor) {
    return builder.mul(x, builder.constant(type, factor));
  };
  const double momentum = context.arguments.real("momentum"),
               decay = context.arguments.real("weight_decay");
  Value direction = context.gradient;
  if (decay != 0) direction = builder.add(direction, scaled(context.parameter, decay));
  if (momentum != 0) {
    const Value velocity = builder.add(scaled(context.state("momentum"), momentum), direction);
    context.update_state("momentum", velocity);
    direction = context.arguments.boolean("nesterov")
                    ? builder.add(direction, scaled(velocity, momentum))
                    : velocity;
  }
  return builder.sub(context.parameter, builder.mul(direction, context.learning_rate));
}

}  // namespace

OptimizerDef sgd_optimizer() {
  using Kind = ArgumentKind;
  OptimizerDef optimizer;
  optimizer.name = "sgd";
  optimizer.description = "stochastic gradient descent";
  optimizer.notes =
      "g = gradient + weight_decay * w\n"
      "v = momentum * v + g, from 0\n"
      "w = w - lr * v, or with nesterov w - lr * (g + momentum * v)\n"
      "As torch.optim.SGD without dampening. weight_decay acts on everything that is trained, "
      "biases "
      "and the weight and bias of batch_norm included; running statistics are no part of it, nor "
      "is "
      "it part of the loss that is printed. The lr of a step is what the schedule makes of lr.";
  optimizer.arguments = {
      {.name = "lr",
       .kind = Kind::real,
       .description = "learning rate",
       .low = 0,
       .high = 1e6,
       .low_open = true},
      {.name = "momentum",
       .kind = Kind::real,
       .description = "share of the last step that goes on",
       .fallback = 0.0,
       .low = 0,
       .high = 1,
       .high_open = true},
      {.name = "nesterov",
       .kind = Kind::boolean,
       .description = "looks one step of momentum ahead",
       .fallback = false},
      {.name = "weight_decay",
       .kind = Kind::real,
       .description = "pull of the weights towards 0",
       .fallback = 0.0,
       .low = 0,
       .high = 1e6},
  };
  optimizer.states = states;
  optimizer.update = update;
  return optimizer;
}

}  // namespace cnnc
