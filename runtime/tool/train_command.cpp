// cnnc MODEL --train
#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <optional>

#include "runtime/io/log.h"
#include "runtime/io/terminal.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/inputs.h"
#include "runtime/tool/save_weights.h"
#include "runtime/train/interrupt.h"
#include "runtime/train/metrics.h"
#include "runtime/train/not_finite.h"
#include "runtime/train/prediction.h"
#include "runtime/train/training.h"
#include "runtime/train/training_warnings.h"

namespace cnnc {
namespace {

constexpr std::int64_t kPlainLinesPerEpoch = 4;

/// Four decimals, but no -0 and no row of digits.
std::string loss_text(double loss) {
  if (std::abs(loss) < 5e-5) return "0.0000";
  return std::abs(loss) < 1e6 ? fmt::format("{:.4f}", loss) : fmt::format("{:.4g}", loss);
}

/// The first ten images in two rows, each under its label.
std::string draw_first_images(const Dataset& data, int terminal) {
  constexpr std::int64_t kPerRow = 5;
  const Shading shading = shading_for(terminal);
  const int columns = std::max(4, (terminal_width(terminal) - 2 * (static_cast<int>(kPerRow) - 1)) /
                                      static_cast<int>(kPerRow));
  const auto width = static_cast<std::size_t>(drawn_width(data.image, columns));
  std::string text;
  for (std::int64_t first = 0; first < std::min<std::int64_t>(10, data.count); first += kPerRow) {
    std::vector<std::string> lines;
    for (std::int64_t i = first;
         i < std::min(first + kPerRow, std::min<std::int64_t>(10, data.count)); ++i) {
      auto image = draw_image(data.pixels_of(i), data.image, shading, columns);
      image.insert(
          image.begin(),
          fmt::format("{:^{}.{}}", class_name(data, data.labels[static_cast<std::size_t>(i)]),
                      width, width));
      lines.resize(image.size());
      for (std::size_t line = 0; line < image.size(); ++line)
        lines[line] += (i == first ? "" : "  ") + image[line];
    }
    for (const auto& line : lines) text += line + "\n";
  }
  return text;
}

/// Loss and accuracy while training: a line redrawn in place on a terminal, a few lines an epoch
/// elsewhere.
class TrainingView {
 public:
  TrainingView(const TrainPlan& plan, const Log& log)
      : plan_(plan),
        log_(log),
        terminal_(is_terminal(log.descriptor())),
        progress_(log.descriptor(), "training", plan.steps) {}

  void show(const StepReport& report) {
    steps_ = report.step;
    highest_rate_ = std::max(highest_rate_, report.learning_rate);
    if (report.step == 1) print("step 1: loss {}\n", loss_text(report.loss));
    warn_once(report.watch);
    if (terminal_) {
      if (progress_.due()) progress_.update(report.step, state(report));
    } else if (begins_new_part(report.step_of_epoch)) {
      print("step {} of {}: {}\n", report.step, plan_.steps, state(report));
    }
  }

  void show(const EpochReport& report) {
    print("epoch {} of {}: loss {}, accuracy {:.2f} %{}, {:.0f} images/s, {:.1f} s\n", report.epoch,
          plan_.epochs, loss_text(report.loss), 100 * report.accuracy,
          report.test ? fmt::format(", test accuracy {:.2f} %", 100 * report.test->accuracy()) : "",
          report.images_per_second, report.seconds);
  }

  void warn_once(const LossWatch& watch) {
    if (!watch.diverged() || warned_) return;
    warned_ = true;
    print("the loss, lately {}, is far above that of guessing, {:.2f}: try --lr {:g}\n",
          loss_text(watch.mean()), watch.guessing(), rate_to_try(highest_rate_));
  }

  void clear() { progress_.clear(); }
  std::int64_t steps() const { return steps_; }  // that were shown

 private:
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    progress_.clear();
    log_.print(format, std::forward<Args>(args)...);
  }

  /// Whether a quarter of the epoch's steps ends here, the last one not counted: the epoch's own
  /// line follows it.
  bool begins_new_part(std::int64_t step) const {
    const auto part = [&](std::int64_t done) {
      return done * kPlainLinesPerEpoch / plan_.steps_per_epoch;
    };
    return step < plan_.steps_per_epoch && part(step) != part(step - 1);
  }

  std::string state(const StepReport& report) const {
    return fmt::format(
        "epoch {}/{}, loss {}, accuracy {:.2f} %, {:.0f} images/s", report.epoch, plan_.epochs,
        loss_text(report.loss_so_far),
        100 * static_cast<double>(report.correct) / static_cast<double>(report.images),
        static_cast<double>(report.images) / report.seconds);
  }

  TrainPlan plan_;
  Log log_;
  bool terminal_;
  Progress progress_;
  std::int64_t steps_ = 0;
  double highest_rate_ = 0;
  bool warned_ = false;
};

void show_predictions(Session& session, const Dataset& test, const Log& log) {
  for (std::int64_t i = 0; i < std::min<std::int64_t>(3, test.count); ++i) {
    const auto scores = predict(session, test.pixels_of(i));
    const auto title = fmt::format("test image {}, labelled {}", i,
                                   class_name(test, test.labels[static_cast<std::size_t>(i)]));
    log.print("\n{}", draw_prediction(test.pixels_of(i), test.image, title, scores,
                                      test.class_names, shading_for(log.descriptor())));
  }
  log.print("\n");
}

TrainOptions train_options(const Options& options) {
  TrainOptions result;
  result.epochs = options.epochs;
  result.steps = options.steps;
  result.learning_rate = options.learning_rate;
  result.shuffle = options.shuffle;
  return result;
}

struct Prepared {
  Session session;
  Dataset train, test;
  OutputFile weights;
};

/// Everything that can be wrong with inputs and outputs is found here, before the first step.
Prepared prepare(const Options& options) {
  Language language = Language::standard();
  Model model = read_model(options.model, language);
  if (!model.train) fail("{}: has no train section, so it cannot be trained", options.model);
  std::optional<Tensors> initial;
  if (!options.init.empty()) initial = read_safetensors(options.init);
  Session session(std::move(model), std::move(language), session_options(options));
  if (initial) use_weights(session, *initial, options.init);
  Dataset train = read_dataset(options, session.model(), Split::train);
  Dataset test = read_dataset(options, session.model(), Split::test);
  check_fits(train, session.model().input, session.classes());
  check_fits(test, session.model().input, session.classes());
  for (const Dataset* data : {&train, &test}) {
    check_not_data("-o", weights_path(options), *data);
    if (!options.metrics.empty()) check_not_data("--metrics", options.metrics, *data);
  }
  OutputFile weights = open_weights(options, session.weights());
  return {std::move(session), std::move(train), std::move(test), std::move(weights)};
}

void announce(const Options& options, Prepared& run, const TrainPlan& plan, const Log& log) {
  log.print("{}: {} images to train on, {} to test, from {}\n", run.train.name, run.train.count,
            run.test.count, run.train.folder.string());
  if (const auto path = weights_path(options); run.weights.path() != path) {
    log.print("{} stays (no --overwrite); weights go to {}\n", path.string(),
              run.weights.path().string());
  }
  if (options.steps && *options.steps > plan.scheduled_steps) {
    log.print("--steps {}: the training ends after {}, with epoch {} (--epochs N for more)\n",
              *options.steps, plan.scheduled_steps, plan.epochs);
  }
  if (const auto warning = last_batch_warning(run.session, run.train.count); !warning.empty())
    Log(stderr).print("{}\n", warning);
  if (is_terminal(log.descriptor()))
    log.print("\n{}\n", draw_first_images(run.train, log.descriptor()));
  const double seconds = run.session.compile_training().count();
  log.print("compiled the training step in {:.0f} ms; {} thread{}\n", 1e3 * seconds,
            run.session.threads(), run.session.threads() == 1 ? "" : "s");
}

/// What came of the steps. Where they ended in `failure`, it is not about numbers that are not
/// finite, and the weights are those of the last step.
struct Trained {
  TrainResult result;
  std::exception_ptr failure;
};

Trained train_shown(const Options& options, Prepared& run, TrainingView& view, MetricsFile* metrics,
                    const InterruptGuard& interrupt) {
  TrainCallbacks callbacks;
  callbacks.step = [&](const StepReport& report) {
    if (metrics) metrics->write(report);
    view.show(report);
  };
  callbacks.epoch = [&](const EpochReport& report) {
    if (metrics) metrics->write(report);
    view.show(report);
  };
  callbacks.stop = [&] { return interrupt.interrupted(); };
  Trained trained;
  try {
    trained.result = train(run.session, run.train, &run.test, train_options(options), callbacks);
    view.warn_once(trained.result.watch);
  } catch (const NotFinite&) {
    throw;
  } catch (...) {
    if (view.steps() == 0) throw;
    trained.result.steps = view.steps();
    trained.failure = std::current_exception();
  }
  view.clear();
  return trained;
}

/// Tells what could not be written. Returns the exit code.
int report_trouble(std::string text, std::optional<MetricsFile>& metrics) {
  try {
    if (metrics) metrics->close();
  } catch (const Error& error) {
    text += (text.empty() ? "" : "\n") + std::string(error.what());
  }
  if (!text.empty()) Log(stderr).print("{}\n", text);
  return text.empty() ? 0 : 1;
}

/// Saves the weights, then tells how it went. Returns the exit code.
int finish(const Options& options, Prepared& run, const Trained& trained,
           std::optional<MetricsFile>& metrics, const InterruptGuard& interrupt, const Log& log) {
  const TrainResult& result = trained.result;
  const auto announced = run.weights.path();
  // A network that is not finished never takes the place of one that is.
  if (trained.failure || result.stopped || result.watch.diverged()) run.weights.keep_existing();
  const SavedWeights saved =
      save_weights(run.weights, options, run.session.weights(), to_metadata(look_at(run.train)));
  const int code = report_trouble(saved.trouble, metrics);
  std::string where = shown_name(saved.path);
  if (saved.path != announced && saved.trouble.empty())
    where += fmt::format("; {} stays", announced.string());
  if (trained.failure) {
    log.print("failed after step {}; weights written to {}\n", result.steps, where);
    std::rethrow_exception(trained.failure);
  }
  if (result.stopped) {
    log.print("stopped after step {}; weights written to {}\n", result.steps, where);
    return 128 + interrupt.signal();
  }
  if (is_terminal(log.descriptor())) show_predictions(run.session, run.test, log);
  log.print("weights written to {}\n{}\n", where, to_string(result.test.value()));
  return code;
}

}  // namespace

int run_train(const Options& options) {
  const InterruptGuard interrupt;
  const BrokenPipeGuard pipes;
  const Log log = log_beside(weights_path(options), options.metrics);
  Prepared run = prepare(options);
  const TrainPlan plan = plan_training(run.session, run.train.count, train_options(options));
  announce(options, run, plan, log);
  if (interrupt.interrupted()) {
    log.print("stopped before the first step; nothing was written\n");
    return 128 + interrupt.signal();
  }
  std::optional<MetricsFile> metrics;
  if (!options.metrics.empty()) metrics.emplace(options.metrics);
  TrainingView view(plan, log);
  const Trained trained = train_shown(options, run, view, metrics ? &*metrics : nullptr, interrupt);
  return finish(options, run, trained, metrics, interrupt, log);
}

}  // namespace cnnc
