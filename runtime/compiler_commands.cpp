// The commands that show what the compiler does: to a model, or to either IR as text.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/commands.h"
#include "runtime/emit_picture.h"
#include "runtime/file.h"
#include "runtime/inputs.h"
#include "runtime/inspect.h"
#include "runtime/interpret_ir.h"

namespace cnnc {
namespace {

void write_text(const Options& options, std::string text) {
  if (!text.ends_with('\n')) text += '\n';
  if (options.output.empty())
    fmt::print("{}", text);
  else
    write_file(options.output, text);
}

CompileOptions compile_options(const Options& options) {
  return {.target = choose_target(options, false), .skip = options.skip};
}

/// Only --emit's stage can be the model's own text, which no other stage needs a graph for.
std::string model_text(const Options& options) {
  if (!options.kernel.empty()) throw UsageError("--kernel means nothing to --emit model");
  if (ir_level(options.model)) throw UsageError("--emit model means nothing to the text of an IR");
  return read_model(options.model, Language::standard()).canonical;
}

bool is_picture(const std::string& stage) {
  const auto pictures = list_pictures();
  return std::ranges::find(pictures, stage) != pictures.end();
}

}  // namespace

int run_emit(const Options& options) {
  check_passes(options);
  if (is_picture(options.stage)) {
    if (!options.kernel.empty())
      throw UsageError(fmt::format("--kernel means nothing to --emit {}", options.stage));
    write_text(options, emit_picture(read_ir(options), options.stage, options.stop_after,
                                     compile_options(options)));
    return 0;
  }
  const std::string& stage = options.stop_after.empty() ? options.stage : options.stop_after;
  const auto stages = list_stages();
  if (stage != "model" && std::ranges::find(stages, stage) == stages.end()) {
    throw UsageError(fmt::format("unknown stage {}; there is model, {}, {}", stage,
                                 fmt::join(stages, ", "), fmt::join(list_pictures(), ", ")));
  }
  write_text(options, stage == "model" ? model_text(options)
                                       : emit(read_ir(options), stage, options.kernel,
                                              compile_options(options)));
  return 0;
}

int run_run_passes(const Options& options) {
  check_passes(options);
  const Target target = choose_target(options, false);
  write_text(options, text_of(run_passes(read_ir(options), options.passes, target), options.kernel,
                              options.passes.back()));
  return 0;
}

int run_interpret(const Options& options) {
  check_passes(options);
  const Target target = choose_target(options, false);
  const Tensors given =
      options.inputs.empty() ? Tensors() : read_safetensors(std::filesystem::path(options.inputs));
  const Ir ir = run_passes(read_ir(options), options.passes, target);
  const Tensors results = interpret_ir(ir, given, static_cast<std::uint64_t>(options.seed));
  fmt::print("{}", describe(results));
  if (!options.output.empty()) write_safetensors(options.output, results);
  return 0;
}

int run_diff(const Options& options) {
  check_passes(options);
  write_text(options,
             diff_pass(read_ir(options), options.diff, options.kernel, compile_options(options)));
  return 0;
}

int run_time_passes(const Options& options) {
  check_passes(options);
  const Ir ir = read_ir(options);
  const auto* graph = std::get_if<Graph>(&ir);
  if (!graph)
    throw UsageError("--time-passes needs a model or a graph: loops are past most passes");
  write_text(options, time_passes(*graph, options.stop_after, compile_options(options)));
  return 0;
}

}  // namespace cnnc
