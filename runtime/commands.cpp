#include "runtime/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "runtime/compile.h"
#include "runtime/evaluation.h"
#include "runtime/file.h"
#include "runtime/inputs.h"
#include "runtime/png.h"
#include "runtime/prediction.h"
#include "runtime/show_data.h"
#include "runtime/summary.h"
#include "runtime/terminal.h"

namespace cnnc {
namespace {

/// The index that `text` is, where it is all digits: everything else is a file's name.
std::optional<std::int64_t> as_index(const std::string& text) {
  std::int64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || end != text.data() + text.size()) return std::nullopt;
  return error == std::errc() ? index : std::numeric_limits<std::int64_t>::max();
}

/// Whether the images that the model learnt from are light on dark: then a picture with a light
/// border is most likely not.
bool light_on_dark(const Dataset& data) {
  double sum = 0;
  const std::int64_t count = std::min<std::int64_t>(100, data.count);
  for (std::int64_t i = 0; i < count; ++i) {
    Picture picture(data.image[0], data.image[1], data.image[2]);
    std::ranges::copy(data.pixels_of(i), picture.pixels.begin());
    sum += border_mean(picture);
  }
  return sum / static_cast<double>(count) < 64;
}

/// A picture to classify and what to call it.
struct Subject {
  std::vector<std::uint8_t> pixels;
  std::string title;
};

Subject test_image(const Dataset& data, std::int64_t index, const std::string& text) {
  if (index >= data.count)
    fail("test image {}: {} has images 0 to {}", text, data.name, data.count - 1);
  const auto pixels = data.pixels_of(index);
  return {{pixels.begin(), pixels.end()},
          fmt::format("test image {}, labelled {}", index,
                      class_name(data, data.labels[static_cast<std::size_t>(index)]))};
}

/// fit_picture, whose complaint does not know the file.
FittedPicture fit(const std::string& path, const Picture& picture, const Dims& input, bool invert) {
  try {
    return fit_picture(picture, input, invert);
  } catch (const Error& error) {
    fail("{}: {}", path, error.what());
  }
}

Subject picture_file(const std::string& path, const Model& model,
                     const std::optional<Dataset>& data) {
  const Picture picture = read_png(path);
  const bool invert =
      model.input.at(2) == 1 && border_mean(picture) >= 128 && data && light_on_dark(*data);
  FittedPicture fitted = fit(path, picture, model.input, invert);
  if (invert) fitted.conversion += ": the model knows light on dark";
  std::string title = path;
  if (!fitted.conversion.empty()) title += fmt::format(" ({})", fitted.conversion);
  return {std::move(fitted.pixels), std::move(title)};
}

/// The test set: required where an index names one of its images, otherwise only to see what the
/// images look like.
std::optional<Dataset> test_data(const Options& options, const Model& model) {
  const bool required = std::ranges::any_of(
      options.predictions, [](const auto& text) { return as_index(text).has_value(); });
  if (!required) {
    if (!model.train) return std::nullopt;
    const auto folders =
        data_folders(options.data.empty() ? std::nullopt : std::optional(options.data));
    if (!find_dataset(folders, model.train->data)) return std::nullopt;
  }
  return read_dataset(options, model, Split::test);
}

void print_arguments(std::span<const ArgumentDef> arguments) {
  for (const auto& argument : arguments) {
    fmt::print("      {:<16} {}{}\n", argument.name, argument.description,
               argument.fallback
                   ? fmt::format(" (default {})", argument_text(argument, *argument.fallback))
                   : "");
  }
}

template <class Table>
void print_rows(std::string_view title, const Table& table) {
  fmt::print("{}\n", title);
  for (const auto& [name, row] : table) {
    fmt::print("  {:<18} {}\n", name, row->description);
    print_arguments(row->arguments);
  }
}

}  // namespace

int run_summary(const Options& options) {
  const Language language = Language::standard();
  fmt::print("{}", summary(read_model(options.model, language), language));
  return 0;
}

int run_evaluate(const Options& options) {
  Session session = open_session(options);
  fmt::print("{}\n",
             to_string(evaluate(session, read_dataset(options, session.model(), Split::test))));
  return 0;
}

int run_predict(const Options& options) {
  Session session = open_session(options);
  const Model& model = session.model();
  const auto data = test_data(options, model);
  if (data) check_fits(*data, model.input, session.classes());
  const auto names = model.train ? class_names(model.train->data) : std::vector<std::string>();
  std::vector<Subject> subjects;  // all are read before the first is shown
  for (const auto& text : options.predictions) {
    const auto index = as_index(text);
    subjects.push_back(index ? test_image(data.value(), *index, text)
                             : picture_file(text, model, data));
  }
  const bool drawable =
      is_terminal(STDOUT_FILENO) && (model.input.at(2) == 1 || model.input.at(2) == 3);
  for (const auto& subject : subjects) {
    const auto scores = predict(session, subject.pixels);
    if (drawable) {
      fmt::print("{}\n", draw_prediction(subject.pixels, model.input, subject.title, scores, names,
                                         shading_for(STDOUT_FILENO)));
    } else {
      fmt::print("{}\n", prediction_line(subject.title, scores, names));
    }
  }
  return 0;
}

int run_show_data(const Options& options) {
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  const Dataset data = read_dataset(options, model, Split::train);
  show_data(data, options.picture);
  fmt::print("{}: the first images of {} with their labels\n", options.picture, data.name);
  return 0;
}

int run_list_ops() {
  const OpTable ops = OpTable::standard();
  for (const auto& [name, op] : ops.all()) fmt::print("{:<22} {}\n", name, op->description);
  return 0;
}

int run_list_layers() {
  const Language language = Language::standard();
  print_rows("layers", language.layers);
  print_rows("losses", language.losses);
  print_rows("optimizers", language.optimizers);
  print_rows("schedules", language.schedules);
  return 0;
}

int run_list_passes() {
  for (const auto& pass : list_passes())
    fmt::print("{:<6} {:<18} {:<6} {}\n", pass.level, pass.name,
               pass.preserves == Preserves::bits ? "bits" : "bound", pass.description);
  return 0;
}

int run(const Options& options) {
  switch (options.command) {
    case Command::summary: return run_summary(options);
    case Command::train: return run_train(options);
    case Command::evaluate: return run_evaluate(options);
    case Command::predict: return run_predict(options);
    case Command::show_data: return run_show_data(options);
    case Command::emit: return run_emit(options);
    case Command::run_passes: return run_run_passes(options);
    case Command::interpret: return run_interpret(options);
    case Command::diff: return run_diff(options);
    case Command::time_passes: return run_time_passes(options);
    case Command::bench: return run_bench(options);
    case Command::explain: return run_explain(options);
    case Command::list_ops: return run_list_ops();
    case Command::list_layers: return run_list_layers();
    case Command::list_passes: return run_list_passes();
  }
  return 0;
}

}  // namespace cnnc
