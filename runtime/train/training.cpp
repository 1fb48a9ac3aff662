#include "runtime/train/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "runtime/train/not_finite.h"
#include "runtime/train/random.h"

namespace cnnc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kRowsToTry = 128;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::int64_t> epoch_order(const Session& session, std::int64_t count,
                                      std::int64_t epoch, bool shuffle) {
  if (shuffle)
    return shuffled_order(count, session.options().seed, static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

double scheduled_rate(const Session& session, const TrainPlan& plan, std::int64_t step,
                      const ScheduleDef& schedule) {
  return schedule.rate(plan.learning_rate, step, plan.scheduled_steps,
                       session.model().train->schedule.arguments);
}

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

double loss_of_guessing(const Session& session) {
  const auto& guess = session.language().losses.at(session.model().train->loss.name)->of_guessing;
  return guess ? guess(session.classes()) : 0;
}

/// What an evaluation needs must not be missing after hours of training.
void try_inference(Session& session, const Dataset& data) {
  const std::int64_t count = std::min<std::int64_t>(kRowsToTry, data.count);
  session.infer(std::span(data.pixels).first(static_cast<std::size_t>(count * data.image_size())));
}

/// One run: what its steps share.
struct Run {
  Session& session;
  const Dataset& data;
  const TrainPlan plan;
  const TrainOptions& options;
  const TrainCallbacks& callbacks;
  const ScheduleDef& schedule;
  LossWatch watch;
  std::int64_t step = 0;  // steps done
  double highest_rate = 0;
  bool stopped = false;
  Batch batch{};

  void ask() { stopped = callbacks.stop && callbacks.stop(); }
  bool done() const { return stopped || step == plan.steps; }

  void train_batch(std::span<const std::int64_t> indices, StepReport& report) {
    report.learning_rate = scheduled_rate(session, plan, step, schedule);
    highest_rate = std::max(highest_rate, report.learning_rate);
    report.step = ++step;
    ++report.step_of_epoch;
    gather(data, indices, batch);
    const StepResult result = session.train_step(
        batch, {.learning_rate = report.learning_rate, .step = report.step, .epoch = report.epoch});
    const auto count = static_cast<double>(indices.size());
    const auto before = static_cast<double>(report.images);
    report.loss = result.loss + 0.0;  // no -0
    report.images += static_cast<std::int64_t>(indices.size());
    report.correct += result.correct;
    report.loss_so_far = (report.loss_so_far * before + result.loss * count) / (before + count);
    watch.note(report.loss);
    report.watch = watch;
  }

  [[noreturn]] void lose(std::string_view what, const StepReport& last) const {
    throw NotFinite(
        fmt::format("{} step {} (epoch {}), so the weights are lost. The learning rate was {:g}; "
                    "try a lower one: --lr {:g}",
                    what, last.step, last.epoch, highest_rate, rate_to_try(highest_rate)));
  }

  void require_finite_loss(const StepReport& last) const {
    if (std::isfinite(last.loss)) return;
    const std::string_view what = std::isnan(last.loss) ? "nan" : "infinite";
    if (last.step == 1) {
      throw NotFinite(
          fmt::format("the loss is {} at step 1, before any update: the network, or the weights "
                      "that it starts from, make it so, not the learning rate",
                      what));
    }
    lose(fmt::format("the loss is {} at", what), last);
  }

  /// A step's loss is from before its update: what the last update did shows only in the weights
  /// and in what they yield.
  void require_finite_network(const StepReport& last) {
    for (const auto& [name, tensor] : session.weights()) {
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        if (!std::isfinite(tensor.get(i)))
          lose(fmt::format("{} is no longer finite after", name), last);
      }
    }
    if (!all_finite(session.infer(batch.images)))
      lose("what the network yields is no longer finite after", last);
  }

  StepReport train_epoch(std::int64_t epoch) {
    StepReport report{.epoch = epoch};
    const auto order = epoch_order(session, data.count, epoch, options.shuffle);
    const auto batch_size = static_cast<std::size_t>(*session.options().batch);
    for (std::size_t first = 0; first < order.size() && !done(); first += batch_size) {
      const auto start = Clock::now();
      train_batch(std::span(order).subspan(first, std::min(batch_size, order.size() - first)),
                  report);
      report.seconds += seconds_since(start);
      require_finite_loss(report);
      if (callbacks.step) callbacks.step(report);
      ask();
    }
    return report;
  }
};

}  // namespace

double rate_to_try(double rate) { return std::min(rate / 10, 0.01); }

TrainPlan plan_training(const Session& session, std::int64_t images, const TrainOptions& options) {
  const auto& settings = session.model().train;
  if (!settings)
    fail("{}: has no train section, so it cannot be trained", session.model().source.name);
  const auto require = [&](bool good, std::string_view what, auto value, std::string_view range) {
    if (!good) fail("{}: {} is {}; it must be {}", session.model().source.name, what, value, range);
  };
  require(images >= 1, "the number of images", images, "1 or more");
  TrainPlan plan;
  plan.epochs = options.epochs.value_or(settings->epochs);
  require(plan.epochs >= 1 && plan.epochs <= kMaxEpochs, "the number of epochs", plan.epochs,
          fmt::format("from 1 to {}", kMaxEpochs));
  const std::int64_t batch = *session.options().batch;
  plan.steps_per_epoch = (images + batch - 1) / batch;
  plan.scheduled_steps = plan.epochs * plan.steps_per_epoch;
  require(options.steps.value_or(1) >= 1, "the number of steps", options.steps.value_or(1),
          "1 or more");
  plan.steps = std::min(plan.scheduled_steps, options.steps.value_or(plan.scheduled_steps));
  plan.learning_rate = options.learning_rate.value_or(settings->optimizer.arguments.real("lr"));
  require(std::isfinite(plan.learning_rate) && plan.learning_rate >= 0, "the learning rate",
          plan.learning_rate, "finite and not below 0");
  return plan;
}

TrainResult train(Session& session, const Dataset& train, const Dataset* test,
                  const TrainOptions& options, const TrainCallbacks& callbacks) {
  const TrainPlan plan = plan_training(session, train.count, options);
  check_fits(train, session.model().input, session.classes());
  if (test) check_fits(*test, session.model().input, session.classes());
  session.compile_training();  // so that no step's time holds it
  try_inference(session, test ? *test : train);
  const auto& schedules = session.language().schedules;
  Run run{session,
          train,
          plan,
          options,
          callbacks,
          *schedules.at(session.model().train->schedule.name),
          LossWatch(loss_of_guessing(session))};

  TrainResult result;
  for (std::int64_t epoch = 1; epoch <= plan.epochs && !run.done(); ++epoch) {
    const auto start = Clock::now();
    const StepReport steps = run.train_epoch(epoch);
    result.steps = run.step;
    run.require_finite_network(steps);
    if (run.stopped) break;
    EpochReport report;
    report.epoch = epoch;
    report.step = run.step;
    report.loss = steps.loss_so_far;
    report.accuracy = static_cast<double>(steps.correct) / static_cast<double>(steps.images);
    report.images_per_second = static_cast<double>(steps.images) / steps.seconds;
    if (test) report.test = evaluate(session, *test);
    if (report.test && report.test->not_finite > 0) {
      run.lose(fmt::format("what the network yields for {} of {} test images is not finite after",
                           report.test->not_finite, report.test->count),
               steps);
    }
    report.seconds = seconds_since(start);
    result.test = report.test;
    if (callbacks.epoch) callbacks.epoch(report);
    if (!run.done()) run.ask();  // a wish that came during the evaluation
  }
  run.watch.finish();
  result.stopped = run.stopped;
  result.watch = run.watch;
  return result;
}

}  // namespace cnnc
