// The commands that show what the compiler does: to a model, or to either IR as text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "runtime/inspect/inspect.h"
#include "runtime/inspect/interpret_ir.h"
#include "runtime/io/file.h"
#include "runtime/io/log.h"
#include "runtime/pictures/emit_picture.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/inputs.h"

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
  return {
      .target = choose_target(options, false), .skip = options.skip, .threads = options.threads};
}

/// Only --emit's stage can be the model's own text, which no other stage needs a graph for.
std::string model_text(const Options& options) {
  if (!options.kernel.empty()) throw UsageError("--kernel means nothing to --emit model");
  if (ir_level(options.model)) throw UsageError("--emit model means nothing to the text of an IR");
  return read_model(options.model, Language::standard()).canonical;
}

/// A mistake that `work` finds is one in `file`; that of a part of an IR has a better place.
template <class Work>
auto in_file(const std::string& file, Work&& work) {
  try {
    return work();
  } catch (const PartError&) {
    throw;
  } catch (const Error& error) {
    fail("{}: {}", file, error.what());
  }
}

/// What `work` makes of the file's IR. A mistake that it finds names the file, and its line, too,
/// unless passes have changed what stands there.
template <class Work>
auto with_ir(const Options& options, const IrFile& file, Work&& work) {
  try {
    return in_file(options.model, std::forward<Work>(work));
  } catch (const PartError& error) {
    const std::array faults{Fault{error.part(), error.what()}};
    throw_faults(file.source, options.passes.empty() ? file.places : Places(), faults);
    throw;
  }
}

template <class Work>
auto with_ir(const Options& options, Work&& work) {
  const IrFile file = read_ir(options);
  return with_ir(options, file, [&] { return work(file.ir); });
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
    const CompileOptions how = compile_options(options);
    write_text(options, with_ir(options, [&](const Ir& ir) {
                 return emit_picture(ir, options.stage, options.stop_after, how);
               }));
    return 0;
  }
  const std::string& stage = options.stop_after.empty() ? options.stage : options.stop_after;
  const auto stages = list_stages();
  if (stage != "model" && std::ranges::find(stages, stage) == stages.end()) {
    const std::string near = closest(stage, stages);
    throw UsageError(fmt::format(
        "unknown stage {}; {}", stage,
        near.empty() ? fmt::format("there are model, graph, loops, llvm, assembly, {} and the "
                                   "passes of --list-passes",
                                   fmt::join(list_pictures(), ", "))
                     : fmt::format("did you mean {}?", near)));
  }
  if (stage == "model") {
    write_text(options, model_text(options));
    return 0;
  }
  const CompileOptions how = compile_options(options);
  write_text(options,
             with_ir(options, [&](const Ir& ir) { return emit(ir, stage, options.kernel, how); }));
  return 0;
}

int run_run_passes(const Options& options) {
  check_passes(options);
  const Target target = choose_target(options, false);
  write_text(options, with_ir(options, [&](const Ir& ir) {
               return text_of(run_passes(ir, options.passes, target), options.kernel,
                              options.passes.back());
             }));
  return 0;
}

int run_interpret(const Options& options) {
  check_passes(options);
  const Target target = choose_target(options, false);
  const Tensors given =
      options.inputs.empty() ? Tensors() : read_safetensors(std::filesystem::path(options.inputs));
  const IrFile file = read_ir(options);
  const Ir ir = with_ir(options, file, [&] { return run_passes(file.ir, options.passes, target); });
  in_file(options.inputs, [&] { check_inputs(ir, given); });
  std::optional<OutputFile> output;  // interpreting takes long
  if (!options.output.empty()) output.emplace(options.output, 0);
  const Tensors results = with_ir(options, file, [&] {
    return interpret_ir(ir, given, static_cast<std::uint64_t>(options.seed));
  });
  log_beside(options.output).write(describe(results));
  if (output) write_safetensors(*output, results);
  return 0;
}

int run_diff(const Options& options) {
  check_passes(options);
  const CompileOptions how = compile_options(options);
  write_text(options, with_ir(options, [&](const Ir& ir) {
               return diff_pass(ir, options.diff, options.kernel, how);
             }));
  return 0;
}

int run_time_passes(const Options& options) {
  check_passes(options);
  const CompileOptions how = compile_options(options);
  write_text(
      options, with_ir(options, [&](const Ir& ir) {
        const auto* graph = std::get_if<Graph>(&ir);
        if (!graph)
          throw UsageError("--time-passes needs a model or a graph: loops are past most passes");
        return time_passes(*graph, options.stop_after, how);
      }));
  return 0;
}

}  // namespace cnnc
