#include "runtime/train/loss_watch.h"

namespace cnnc {

void LossWatch::note(double loss) {
  sum_ += loss;
  if (++steps_ == kSteps) finish();
}

void LossWatch::finish() {
  if (steps_ == 0 || guessing_ <= 0) return;
  mean_ = sum_ / static_cast<double>(steps_);
  if (mean_ > 2 * guessing_) diverged_ = true;
  if (mean_ < 0.9 * guessing_) diverged_ = false;
  sum_ = 0;
  steps_ = 0;
}

}  // namespace cnnc
