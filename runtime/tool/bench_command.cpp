// `cnnc MODEL --bench`, `--profile` and `--explain`.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "runtime/inspect/benchmark.h"
#include "runtime/inspect/benchmark_report.h"
#include "runtime/io/log.h"
#include "runtime/io/terminal.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/inputs.h"

namespace cnnc {
namespace {

constexpr std::size_t kRoomForFigures = 1 << 18;
constexpr double kUnknownClock = 3e9;  // where /proc/cpuinfo states none

BenchmarkOptions benchmark_options(const Options& options, bool runs_here) {
  check_passes(options);
  BenchmarkOptions result;
  result.batch = options.batch;
  result.threads = options.threads;
  result.real = options.real;
  result.target = choose_target(options, runs_here);
  result.skip = options.skip;
  result.profile = options.profile;
  if (options.rounds) result.rounds = static_cast<int>(*options.rounds);
  return result;
}

/// The file of --json, opened before the minutes of measuring.
std::optional<OutputFile> open_json(const Options& options) {
  if (options.json.empty()) return std::nullopt;
  return std::optional<OutputFile>(std::in_place, options.json, kRoomForFigures);
}

void report(const Options& options, std::optional<OutputFile>& json, const BenchmarkResult& result,
            const std::string& text) {
  if (json) json->write(benchmark_json(result));
  log_beside(options.json).write(text);
}

}  // namespace

int run_bench(const Options& options) {
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  std::optional<OutputFile> json = open_json(options);
  const bool terminal = is_terminal(STDERR_FILENO);
  const auto show = [&](std::string_view text) {
    if (terminal) Log(stderr).print("\r\033[K{}", text);
  };
  const auto result = benchmark(model, language, benchmark_options(options, true), show);
  show("");
  report(options, json, result, benchmark_text(result));
  return 0;
}

int run_explain(const Options& options) {
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  std::optional<OutputFile> json = open_json(options);
  const auto result = predict(model, language, benchmark_options(options, false),
                              nominal_clock().value_or(kUnknownClock));
  report(options, json, result, explanation_text(result));
  return 0;
}

}  // namespace cnnc
