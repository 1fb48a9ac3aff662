// Whether a training run has gone astray without a number that is not finite.
#pragma once

#include <cstdint>

namespace cnnc {

/// Follows the losses of a run, by their means over kSteps steps. It has diverged once a mean is
/// more than twice the loss of guessing, until one is a tenth below that: a network that answers
/// every image alike has not come back.
class LossWatch {
 public:
  static constexpr std::int64_t kSteps = 50;

  /// `guessing` is the loss of a model that knows nothing; 0: nothing can be said.
  explicit LossWatch(double guessing) : guessing_(guessing) {}

  void note(double loss);
  /// Judges by the steps since the last mean, too: there are no more.
  void finish();

  bool diverged() const { return diverged_; }
  double guessing() const { return guessing_; }
  double mean() const { return mean_; }  // the last one

 private:
  double guessing_, sum_ = 0, mean_ = 0;
  std::int64_t steps_ = 0;
  bool diverged_ = false;
};

}  // namespace cnnc
