#include "runtime/tool/inputs.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "frontend/lexer.h"
#include "passes/finish/plan_memory.h"
#include "runtime/compile.h"
#include "runtime/io/file.h"
#include "runtime/io/output_file.h"
#include "runtime/io/weights.h"

namespace cnnc {
namespace {

SourceText read_text(const std::filesystem::path& path, std::int64_t limit) {
  const auto bytes = read_file(path, limit);
  return {.name = path.string(),
          .text = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

}  // namespace

void throw_unknown(std::string_view what, const std::string& word,
                   std::span<const std::string> candidates) {
  const std::string near = closest(word, candidates);
  throw UsageError(near.empty() ? fmt::format("unknown {} {}; there is {}", what, word,
                                              fmt::join(candidates, ", "))
                                : fmt::format("unknown {} {}; did you mean {}?", what, word, near));
}

Model read_model(const std::filesystem::path& path, const Language& language) {
  if (const auto level = ir_level(path))
    fail(
        "{}: holds {}, not a model; it goes with --emit, --run, --interpret, --diff and "
        "--time-passes",
        path.string(), *level);
  return parse_model(read_text(path, kMaxModelFile), language);
}

std::optional<std::string> ir_level(const std::filesystem::path& path) {
  if (path.extension() == ".graph") return "a graph";
  if (path.extension() == ".loops") return "loops";
  return std::nullopt;
}

IrFile read_ir(const Options& options) {
  if (const auto level = ir_level(options.model)) {
    const char* flag = options.mode                      ? "--for"
                       : options.batch                   ? "--batch"
                       : options.real == ScalarType::f64 ? "--precision"
                                                         : nullptr;
    if (flag)
      throw UsageError(
          fmt::format("{} means nothing to {}, which has its own", flag, options.model));
    IrFile file{.ir = {}, .source = read_text(options.model, kMaxIrFile), .places = {}};
    if (const std::string kind = frontend::foreign_kind(file.source.text); !kind.empty())
      fail("{}: error: no text of {}: this file is {}", options.model,
           *level == "loops" ? "loops" : "a graph", kind);
    if (*level == "loops")
      file.ir = parse_program(file.source, &file.places);
    else
      file.ir = parse_graph(file.source, OpTable::standard(), &file.places);
    std::visit([&](const auto& ir) { throw_faults(file.source, file.places, find_faults(ir)); },
               file.ir);
    if (const auto* program = std::get_if<Program>(&file.ir))
      throw_faults(file.source, file.places, find_overlaps(*program));
    return file;
  }
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  const Mode mode = options.mode.value_or(model.train ? Mode::train : Mode::infer);
  if (mode == Mode::train && !model.train)
    fail("{}: has no train section: take --for infer", options.model);
  const std::int64_t batch = options.batch.value_or(model.train ? model.train->batch : 1);
  return {.ir = build_graph(model, language, mode, batch, options.real).graph,
          .source = model.source,
          .places = {}};
}

Target choose_target(const Options& options, bool runs_here) {
  if (options.target.empty() || options.target == "native") return host_target();
  const auto target = named_target(options.target);
  if (!target) {
    const std::array<std::string, 5> names = {"native", "x86-64", "x86-64-v2", "x86-64-v3",
                                              "x86-64-v4"};
    throw_unknown("target", options.target, names);
  }
  if (runs_here) check_runs_here(*target);
  return *target;
}

void check_passes(const Options& options) {
  std::vector<std::string> names = list_groups();
  for (const auto& pass : list_passes()) names.push_back(pass.stage);
  const auto check = [&](const std::string& pass) {
    if (std::ranges::find(names, pass) != names.end()) return;
    if (closest(pass, names).empty())
      throw UsageError(fmt::format("unknown pass {}; --list-passes shows them", pass));
    throw_unknown("pass", pass, names);
  };
  for (const auto& pass : options.skip) check(pass);
  for (const auto& pass : options.passes) check(pass);
  if (!options.diff.empty()) check(options.diff);
  if (!options.stop_after.empty()) check(options.stop_after);
}

SessionOptions session_options(const Options& options) {
  check_passes(options);
  SessionOptions result;
  result.batch = options.batch;
  result.real = options.real;
  result.threads = options.threads;
  result.seed = static_cast<std::uint64_t>(options.seed);
  result.target = choose_target(options, true);
  result.skip = options.skip;
  result.check_bounds = options.check_bounds;
  return result;
}

Dataset read_dataset(const Options& options, const Model& model, Split split) {
  if (!model.train) fail("{}: has no train section, which would name the data", model.source.name);
  const auto folders =
      data_folders(options.data.empty() ? std::nullopt : std::optional(options.data));
  const std::string& name = model.train->data;
  if (!find_dataset(folders, name)) {
    try {
      load_dataset(folders, name, split);
    } catch (const Error& error) {
      fail("{}: {}", model.source.name, error.what());
    }
  }
  return load_dataset(folders, name, split);
}

void check_not_data(std::string_view flag, const std::filesystem::path& file, const Dataset& data) {
  std::vector<std::filesystem::path> files = data.files;
  std::error_code unreadable;  // then nothing of it can be overwritten unawares
  for (const auto& entry : std::filesystem::directory_iterator(data.folder, unreadable))
    if (entry.is_regular_file(unreadable)) files.push_back(entry.path());
  for (const auto& read : files) {
    if (std::filesystem::exists(file, unreadable) && is_same_file(read, file))
      throw UsageError(
          fmt::format("{} {} is a file of the data set `{}`", flag, file.string(), data.name));
  }
}

std::filesystem::path weights_path(const Options& options) {
  const std::string& given = options.command == Command::train ? options.output : options.weights;
  if (!given.empty()) return given;
  return std::filesystem::path(options.model).stem().string() + ".safetensors";
}

void use_weights(Session& session, const Tensors& weights, const std::string& source) {
  session.set_weights(weights, source);
  const auto ignored = ignored_tensors(weights, session.parameters());
  if (ignored.empty()) return;
  fmt::print(
      stderr, "{}: left out: {}{}, which nothing here needs\n", source, ignored[0],
      ignored.size() == 1 ? "" : fmt::format(" and {} more counts of batches", ignored.size() - 1));
}

TrainedSession open_session(const Options& options) {
  Language language = Language::standard();
  Model model = read_model(options.model, language);
  const auto path = weights_path(options);
  std::error_code ignored;  // reading it says what is wrong
  if (options.weights.empty() && !std::filesystem::exists(path, ignored) && !ignored) {
    fail(
        "{}: no such file: train the model first (cnnc {} --train), or name its weights with "
        "--weights",
        path.string(), options.model);
  }
  Metadata metadata;
  const Tensors weights = read_safetensors(path, &metadata);
  const auto seen = seen_images(metadata, path.string());
  Session session(std::move(model), std::move(language), session_options(options));
  use_weights(session, weights, path.string());
  return {std::move(session), seen};
}

}  // namespace cnnc
