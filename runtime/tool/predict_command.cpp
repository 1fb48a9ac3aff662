// cnnc MODEL --predict
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <utility>

#include "runtime/io/png.h"
#include "runtime/io/terminal.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/inputs.h"
#include "runtime/train/not_finite.h"
#include "runtime/train/prediction.h"

namespace cnnc {
namespace {

/// What weights that say nothing of it are taken to have learnt from.
constexpr SeenImages kAssumed{.mean = 33, .border = 0, .low = 0, .high = 255};

/// The index that `text` is, where it is all digits: everything else is a file's name.
std::optional<std::int64_t> as_index(const std::string& text) {
  std::int64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || end != text.data() + text.size()) return std::nullopt;
  return error == std::errc() ? index : std::numeric_limits<std::int64_t>::max();
}

/// A picture to classify and what to call it.
struct Subject {
  std::vector<std::uint8_t> pixels;
  std::string title;
  std::string notes;  // what was done to it and is to be known
};

Subject test_image(const Dataset& data, std::int64_t index, const std::string& text) {
  if (index >= data.count)
    fail("test image {}: {} has images 0 to {}", text, data.name, data.count - 1);
  const auto pixels = data.pixels_of(index);
  return {{pixels.begin(), pixels.end()},
          fmt::format("test image {}, labelled {}", index,
                      class_name(data, data.labels[static_cast<std::size_t>(index)])),
          {}};
}

Subject picture_file(const std::string& path, const Dims& input,
                     const std::optional<SeenImages>& seen) {
  const Picture picture = read_png(path);
  const SeenImages& known = seen ? *seen : kAssumed;
  const bool invert = input.at(2) == 1 && is_negative(picture, known);
  try {
    FittedPicture fitted = fit_picture(picture, input, invert);
    if (invert)
      fitted.conversion += fmt::format(": the model {} {}", seen ? "knows" : "is taken to know",
                                       known.border < 128 ? "light on dark" : "dark on light");
    return {std::move(fitted.pixels), path, std::move(fitted.conversion)};
  } catch (const Error& error) {  // which does not know the file
    fail("{}: {}", path, error.what());
  }
}

/// Shows one subject after the other; one that cannot be shown is no reason to leave out the rest.
class Predictions {
 public:
  explicit Predictions(const Options& options)
      : options_(options), trained_(open_session(options)) {
    const auto is_picture = [](const std::string& text) { return !as_index(text); };
    if (!std::ranges::all_of(options.predictions, is_picture)) guarded([&] { read_test_images(); });
    if (model().train) names_ = class_names(model().train->data);
  }

  /// The exit code.
  int show_all() {
    for (const auto& text : options_.predictions) {
      const auto index = as_index(text);
      if (index && !test_) continue;  // said when they were read
      guarded([&] { show(index ? test_image(*test_, *index, text) : picture(text)); });
    }
    return code_;
  }

 private:
  const Model& model() const { return trained_.session.model(); }

  void read_test_images() {
    Dataset data = read_dataset(options_, model(), Split::test);
    check_fits(data, model().input, trained_.session.classes());
    test_ = std::move(data);
  }

  Subject picture(const std::string& path) {
    Subject subject = picture_file(path, model().input, trained_.seen);
    if (!trained_.seen && model().input.at(2) == 1 && !std::exchange(assumption_said_, true)) {
      fmt::print(stderr,
                 "{}: does not say what its training saw; light on dark is assumed, as in MNIST\n",
                 weights_path(options_).string());
    }
    return subject;
  }

  void show(Subject subject) {
    const Dims& input = model().input;
    if (is_blank(subject.pixels, input))
      subject.notes +=
          fmt::format("{}blank: all its pixels are alike", subject.notes.empty() ? "" : ", ");
    const std::string title = subject.notes.empty()
                                  ? subject.title
                                  : fmt::format("{} ({})", subject.title, subject.notes);
    const auto prediction = predict(trained_.session, subject.pixels, 3, subject.title);
    const bool drawable = is_terminal(STDOUT_FILENO) && (input.at(2) == 1 || input.at(2) == 3);
    fmt::print("{}\n",
               drawable ? draw_prediction(subject.pixels, input, title, prediction, names_,
                                          shading_for(STDOUT_FILENO), terminal_width(STDOUT_FILENO))
                        : prediction_line(title, prediction, names_));
  }

  template <class Task>
  void guarded(Task task) {
    try {
      task();
    } catch (const NotFinite& error) {
      report(error, kNotFinite);
    } catch (const Error& error) {
      report(error, kBadInput);
    }
  }

  void report(const Error& error, int code) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", error.what());
    code_ = std::max(code_, code);
  }

  const Options& options_;
  TrainedSession trained_;
  std::optional<Dataset> test_;
  std::vector<std::string> names_;
  bool assumption_said_ = false;
  int code_ = kDone;
};

}  // namespace

int run_predict(const Options& options) { return Predictions(options).show_all(); }

}  // namespace cnnc
