// The training loop: epochs of shuffled batches under a learning-rate schedule, with what happens
// reported as it happens.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "runtime/io/dataset.h"
#include "runtime/train/evaluation.h"
#include "runtime/train/loss_watch.h"
#include "runtime/train/session.h"

namespace cnnc {

struct TrainOptions {
  std::optional<std::int64_t> epochs = {};  // nothing: the model's
  std::optional<std::int64_t>
      steps;  // stop after so many in all; the schedule stays that of whole epochs
  std::optional<double> learning_rate = {};  // nothing: the optimizer's lr
  bool shuffle = true;  // a new order each epoch, keyed by (session's seed, epoch)
};

/// What an epoch is made of, known beforehand.
struct TrainPlan {
  std::int64_t epochs = 0, steps_per_epoch = 0;
  std::int64_t steps = 0;            // of the whole run, as limited by TrainOptions::steps
  std::int64_t scheduled_steps = 0;  // epochs * steps_per_epoch: what the schedule divides
  double learning_rate = 0;
};

struct StepReport {
  std::int64_t epoch = 0, step = 0;  // from 1; step over the whole run
  std::int64_t step_of_epoch = 0;    // from 1
  double loss = 0;                   // mean of this batch before its update
  double learning_rate = 0;
  std::int64_t images = 0, correct = 0;  // so far in this epoch
  double loss_so_far = 0;                // mean over them
  double seconds = 0;                    // of the epoch's steps alone
  LossWatch watch{0};                    // of the run so far
};

struct EpochReport {
  std::int64_t epoch = 0, step = 0;  // step: the last one's number
  double loss = 0, accuracy = 0;     // means over the images of this epoch as they were trained on
  std::optional<Evaluation> test = {};  // where there is a test set
  double images_per_second = 0;         // over the training steps alone
  double seconds = 0;                   // of the whole epoch, test included
};

struct TrainCallbacks {
  std::function<void(const StepReport&)> step = {};
  std::function<void(const EpochReport&)> epoch = {};
  std::function<bool()> stop = {};  // asked after every step; true: finish now
};

struct TrainResult {
  std::int64_t steps = 0;
  bool stopped = false;                 // by TrainCallbacks::stop
  LossWatch watch{0};                   // of the whole run
  std::optional<Evaluation> test = {};  // of the last epoch
};

/// A lower rate to try where training at `rate` went wrong: a tenth of it, or 0.01 where that is
/// hopeless, too.
double rate_to_try(double rate);

/// Throws Error where the model has no train section, without images, and for epochs, steps or a
/// rate out of range.
TrainPlan plan_training(const Session& session, std::int64_t images, const TrainOptions& options);

/// Trains on `train` and evaluates on `test` (may be null) after each epoch. The last batch of an
/// epoch may be smaller; it trains too. Same data, seed and target: same weights, bit for bit,
/// whatever the number of threads. Throws NotFinite where a loss, weights or outputs are, with the
/// learning rate to try; the session's weights are spoilt then. What else it throws, as Error for
/// data that do not fit, leaves them as the last step made them. Both programs are compiled, and
/// the one that infers has run, before the first step.
TrainResult train(Session& session, const Dataset& train, const Dataset* test,
                  const TrainOptions& options = {}, const TrainCallbacks& callbacks = {});

}  // namespace cnnc
