// How the learning rate goes over the steps of a training.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/language/layer.h"

namespace cnnc {
namespace {

/// From a to b along half a cosine; part in [0, 1].
double cosine(double a, double b, double part) {
  return b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * part));
}

/// As PyTorch's OneCycleLR with its cosine strategy: up from lr / start to lr, then down to lr /
/// start / end. With a warm-up shorter than a step the peak lies before the first step, which is on
/// the way down already.
double one_cycle_rate(double lr, std::int64_t step, std::int64_t total,
                      const Attributes& arguments) {
  const double first = lr / arguments.real("start"), last = first / arguments.real("end");
  const double peak = arguments.real("warmup") * static_cast<double>(total) - 1;
  const double finish = static_cast<double>(total - 1),
               now = std::min(static_cast<double>(step), finish);
  if (now < peak) return cosine(first, lr, now / peak);
  if (finish <= peak) return lr;
  return cosine(lr, last, (now - peak) / (finish - peak));
}

}  // namespace

ScheduleDef constant_schedule() {
  ScheduleDef schedule;
  schedule.name = "constant";
  schedule.description = "the optimizer's learning rate throughout";
  schedule.notes = "That of the model, or --lr.";
  schedule.rate = [](double lr, std::int64_t, std::int64_t, const Attributes&) { return lr; };
  return schedule;
}

ScheduleDef one_cycle_schedule() {
  using Kind = ArgumentKind;
  ScheduleDef schedule;
  schedule.name = "one_cycle";
  schedule.description = "up to the optimizer's learning rate and down again, along cosines";
  schedule.notes =
      "As PyTorch's OneCycleLR, without its cycle of the momentum: from lr / start up to lr at "
      "step warmup * total - 1, counted from 0, then down to lr / start / end at the last one. "
      "total is the number of steps of all epochs, epochs * images / batch, rounded up for each "
      "epoch: --steps ends a training earlier and does not make the cycle shorter, --epochs "
      "does. --lr is the greatest rate. With --init the cycle begins again.";
  schedule.arguments = {
      {.name = "warmup",
       .kind = Kind::real,
       .description = "share of the steps on the way up",
       .fallback = 0.3,
       .low = 0,
       .high = 1},
      {.name = "start",
       .kind = Kind::real,
       .description = "the first rate is lr / start",
       .fallback = 25.0,
       .low = 1,
       .high = 1e12},
      {.name = "end",
       .kind = Kind::real,
       .description = "the last rate is lr / start / end",
       .fallback = 1e4,
       .low = 1,
       .high = 1e12},
  };
  schedule.rate = one_cycle_rate;
  return schedule;
}

}  // namespace cnnc
