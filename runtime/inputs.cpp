#include "runtime/inputs.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "runtime/compile.h"
#include "runtime/file.h"

namespace cnnc {
namespace {

[[noreturn]] void unknown(std::string_view what, const std::string& word,
                          std::span<const std::string> candidates) {
  const std::string near = closest(word, candidates);
  throw UsageError(near.empty() ? fmt::format("unknown {} {}; there is {}", what, word,
                                              fmt::join(candidates, ", "))
                                : fmt::format("unknown {} {}; did you mean {}?", what, word, near));
}

}  // namespace

Model read_model(const std::filesystem::path& path, const Language& language) {
  const auto bytes = read_file(path, kMaxModelFile);
  return parse_model(
      {.name = path.string(),
       .text = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())},
      language);
}

Target choose_target(const Options& options, bool runs_here) {
  if (options.target.empty() || options.target == "native") return host_target();
  const auto target = named_target(options.target);
  if (!target) {
    const std::array<std::string, 5> names = {"native", "x86-64", "x86-64-v2", "x86-64-v3",
                                              "x86-64-v4"};
    unknown("target", options.target, names);
  }
  const Target host = host_target();
  if (runs_here && (target->vector_bytes > host.vector_bytes || (target->fma && !host.fma))) {
    fail("this machine cannot run code for {}", target->name);
  }
  return *target;
}

void check_passes(const Options& options) {
  std::vector<std::string> names;
  for (const auto& pass : list_passes()) names.push_back(pass.name);
  for (const auto& pass : options.skip) {
    if (std::ranges::find(names, pass) == names.end()) unknown("pass", pass, names);
  }
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
  return result;
}

Dataset read_dataset(const Options& options, const Model& model, Split split) {
  if (!model.train) fail("{}: has no train section, which would name the data", model.source.name);
  const auto folders =
      data_folders(options.data.empty() ? std::nullopt : std::optional(options.data));
  return load_dataset(folders, model.train->data, split);
}

std::filesystem::path weights_path(const Options& options) {
  const std::string& given = options.command == Command::train ? options.output : options.weights;
  if (!given.empty()) return given;
  return std::filesystem::path(options.model).stem().string() + ".safetensors";
}

Session open_session(const Options& options) {
  Language language = Language::standard();
  Model model = read_model(options.model, language);
  const auto path = weights_path(options);
  if (options.weights.empty() && !std::filesystem::exists(path)) {
    fail(
        "{}: no such file: train the model first (cnnc {} --train), or name its weights with "
        "--weights",
        path.string(), options.model);
  }
  const Tensors weights = read_safetensors(path);
  Session session(std::move(model), std::move(language), session_options(options));
  session.set_weights(weights, path.string());
  return session;
}

}  // namespace cnnc
