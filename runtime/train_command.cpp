// cnnc MODEL --train
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "runtime/commands.h"
#include "runtime/file.h"
#include "runtime/inputs.h"
#include "runtime/interrupt.h"
#include "runtime/metrics.h"
#include "runtime/prediction.h"
#include "runtime/terminal.h"
#include "runtime/training.h"

namespace cnnc {
namespace {

constexpr std::int64_t kPlainLinesPerEpoch = 4;

/// Fails before the hours of training rather than after them.
void require_writable(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (std::filesystem::is_directory(path))
    fail("{}: is a folder; weights need a file", path.string());
  if (!std::filesystem::is_directory(folder))
    fail("{}: cannot be written: there is no folder {}", path.string(), folder.string());
  if (access(folder.c_str(), W_OK) != 0)
    fail("{}: cannot be written: no permission in {}", path.string(), folder.string());
}

/// The first ten images in two rows, each under its label.
std::string draw_first_images(const Dataset& data) {
  constexpr std::int64_t kPerRow = 5;
  const Shading shading = shading_for(STDOUT_FILENO);
  const int columns =
      std::max(4, (terminal_width(STDOUT_FILENO) - 2 * (static_cast<int>(kPerRow) - 1)) /
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
  explicit TrainingView(const TrainPlan& plan)
      : plan_(plan),
        terminal_(is_terminal(STDOUT_FILENO)),
        progress_(STDOUT_FILENO, "training", plan.steps) {}

  void show(const StepReport& report) {
    if (report.step == 1) print("step 1: loss {:.4f}\n", report.loss);
    if (terminal_) {
      if (progress_.due()) progress_.update(report.step, state(report));
    } else if (begins_new_part(report.step_of_epoch)) {
      print("step {} of {}: {}\n", report.step, plan_.steps, state(report));
    }
  }

  void show(const EpochReport& report) {
    print("epoch {} of {}: loss {:.4f}, accuracy {:.2f} %{}, {:.0f} images/s, {:.1f} s\n",
          report.epoch, plan_.epochs, report.loss, 100 * report.accuracy,
          report.test ? fmt::format(", test accuracy {:.2f} %", 100 * report.test->accuracy()) : "",
          report.images_per_second, report.seconds);
  }

  void clear() { progress_.clear(); }

 private:
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    progress_.clear();
    fmt::print(format, std::forward<Args>(args)...);
    std::fflush(stdout);
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
        "epoch {}/{}, loss {:.4f}, accuracy {:.2f} %, {:.0f} images/s", report.epoch, plan_.epochs,
        report.loss_so_far,
        100 * static_cast<double>(report.correct) / static_cast<double>(report.images),
        static_cast<double>(report.images) / report.seconds);
  }

  TrainPlan plan_;
  bool terminal_;
  Progress progress_;
};

void show_predictions(Session& session, const Dataset& test) {
  for (std::int64_t i = 0; i < std::min<std::int64_t>(3, test.count); ++i) {
    const auto scores = predict(session, test.pixels_of(i));
    const auto title = fmt::format("test image {}, labelled {}", i,
                                   class_name(test, test.labels[static_cast<std::size_t>(i)]));
    fmt::print("\n{}", draw_prediction(test.pixels_of(i), test.image, title, scores,
                                       test.class_names, shading_for(STDOUT_FILENO)));
  }
  fmt::print("\n");
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
};

/// Everything that can be wrong with the inputs is found here, before the first step.
Prepared prepare(const Options& options) {
  Language language = Language::standard();
  Model model = read_model(options.model, language);
  if (!model.train) fail("{}: has no train section, so it cannot be trained", options.model);
  require_writable(weights_path(options));
  std::optional<Tensors> initial;
  if (!options.init.empty()) initial = read_safetensors(options.init);
  Session session(std::move(model), std::move(language), session_options(options));
  if (initial) use_weights(session, *initial, options.init);
  Dataset train = read_dataset(options, session.model(), Split::train);
  Dataset test = read_dataset(options, session.model(), Split::test);
  check_fits(train, session.model().input, session.classes());
  check_fits(test, session.model().input, session.classes());
  return {std::move(session), std::move(train), std::move(test)};
}

}  // namespace

int run_train(const Options& options) {
  auto [session, training_data, test_data] = prepare(options);
  const bool terminal = is_terminal(STDOUT_FILENO);
  std::optional<MetricsFile> metrics;
  if (!options.metrics.empty()) metrics.emplace(options.metrics);
  fmt::print("{}: {} images to train on, {} to test, from {}\n", training_data.name,
             training_data.count, test_data.count, training_data.folder.string());
  if (terminal) fmt::print("\n{}\n", draw_first_images(training_data));
  const double seconds = session.compile_training().count();
  fmt::print("compiled the training step in {:.0f} ms; {} thread{}\n", 1e3 * seconds,
             session.threads(), session.threads() == 1 ? "" : "s");

  const InterruptGuard guard;
  const TrainOptions how = train_options(options);
  TrainingView view(plan_training(session, training_data.count, how));
  TrainCallbacks callbacks;
  callbacks.step = [&](const StepReport& report) {
    if (metrics) metrics->write(report);
    view.show(report);
  };
  callbacks.epoch = [&](const EpochReport& report) {
    if (metrics) metrics->write(report);
    view.show(report);
  };
  callbacks.stop = [&] { return guard.interrupted(); };
  const TrainResult result = train(session, training_data, &test_data, how, callbacks);
  view.clear();

  const auto path = weights_path(options);
  write_safetensors(path, session.weights(), to_metadata(look_at(training_data)));
  if (metrics) metrics->close();
  if (result.stopped) {
    fmt::print("stopped after step {}; weights written to {}\n", result.steps, path.string());
    return 128 + guard.signal();
  }
  if (terminal) show_predictions(session, test_data);
  fmt::print("weights written to {}\n{}\n", path.string(), to_string(result.test.value()));
  return 0;
}

}  // namespace cnnc
