// The pipeline. Read this page first: model text -> (frontend) graph -> graph passes -> lower ->
// loop passes -> LLVM -> machine code.
#include "runtime/compile.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "codegen/host.h"
#include "codegen/jit.h"
#include "codegen/perf_map.h"
#include "passes/lower.h"
#include "passes/table.h"
#include "runtime/executable_state.h"

namespace cnnc {

namespace {

/// Calls `observe(name, graph or program)` after every stage; stops where it returns false.
template <class Observe>
std::optional<Program> run_passes(const Graph& input, const CompileOptions& options,
                                  const Observe& observe) {
  const auto skipped = [&](std::string_view name) {
    return std::find(options.skip.begin(), options.skip.end(), name) != options.skip.end();
  };
  Graph graph = input;
  if (!observe("graph", graph)) return std::nullopt;
  for (const auto& pass : graph_passes()) {
    if (!skipped(pass.name)) graph = pass.run(graph, options.target);
    if (options.verify_each) verify(graph, pass.name);
    if (!observe(pass.name, graph)) return std::nullopt;
  }
  Program program = lower(graph, options.target);
  if (options.verify_each) verify(program, kLowerName);
  if (!observe(kLowerName, program)) return std::nullopt;
  for (const auto& pass : loop_passes()) {
    if (!skipped(pass.name)) program = pass.run(program, options.target);
    if (options.verify_each) verify(program, pass.name);
    if (!observe(pass.name, program)) return std::nullopt;
  }
  return program;
}

template <class Row>
bool is_required(std::span<const Row> rows, const std::string& name) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Row& row) { return row.name == name && row.required; });
}

void check_skips(const CompileOptions& options) {
  std::vector<std::string> names;
  for (const PassInfo& pass : list_passes()) names.push_back(pass.name);
  for (const std::string& name : options.skip) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = closest(name, names);
      fail("unknown pass '{}'{}", name,
           near.empty() ? "; --list-passes shows them" : fmt::format("; did you mean '{}'?", near));
    }
    if (name == kLowerName || is_required(graph_passes(), name) || is_required(loop_passes(), name))
      fail("pass '{}' cannot be skipped: what follows needs it", name);
  }
}

std::string describe_kernels(const Program& program) {
  std::string names;
  for (const Kernel& kernel : program.kernels)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kernel.name);
  return names;
}

std::string program_text(const Program& program, const std::string& kernel) {
  if (kernel.empty()) return print(program);
  std::string text;
  for (const Kernel& each : program.kernels)
    if (each.name == kernel) text += print(program, each);
  if (text.empty())
    fail("no kernel is called '{}' at this stage; there are {}", kernel, describe_kernels(program));
  return text;
}

}  // namespace

std::vector<PassInfo> list_passes() {
  std::vector<PassInfo> all;
  for (const auto& pass : graph_passes())
    all.push_back({"graph", std::string(pass.name), std::string(pass.description)});
  all.push_back({"loop", std::string(kLowerName), std::string(kLowerDescription)});
  for (const auto& pass : loop_passes())
    all.push_back({"loop", std::string(pass.name), std::string(pass.description)});
  return all;
}

std::vector<std::string> list_stages() {
  std::vector<std::string> stages{"graph"};
  for (const PassInfo& pass : list_passes()) stages.push_back(pass.name);
  for (const char* name : {"loops", "llvm", "assembly"}) stages.emplace_back(name);
  return stages;
}

Executable compile(const Graph& graph, const CompileOptions& options) {
  check_skips(options);
  const auto start = std::chrono::steady_clock::now();
  auto program = run_passes(graph, options, [](std::string_view, const auto&) { return true; });
  const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Jit jit(*program, options.target, threads);
  if (std::getenv("CNNC_PERF_MAP")) write_perf_map(jit.symbols());
  return make_executable(std::move(*program), std::move(jit),
                         std::chrono::steady_clock::now() - start);
}

std::variant<Graph, Program> ir_at(const Graph& graph, const std::string& stage,
                                   const CompileOptions& options) {
  check_skips(options);
  std::optional<std::variant<Graph, Program>> found;
  auto program = run_passes(graph, options, [&](std::string_view name, const auto& ir) {
    if (name == stage) found = ir;
    return !found;
  });
  if (found) return std::move(*found);
  if (stage != "loops") fail("there is neither a graph nor a program at stage '{}'", stage);
  return std::move(*program);
}

std::string emit(const Graph& graph, const std::string& stage, const std::string& kernel,
                 const CompileOptions& options) {
  check_skips(options);
  const auto stages = list_stages();
  if (std::find(stages.begin(), stages.end(), stage) == stages.end()) {
    const std::string near = closest(stage, stages);
    fail("unknown stage '{}'; {}", stage,
         near.empty() ? fmt::format("there are model, {}", fmt::join(stages, ", "))
                      : fmt::format("did you mean '{}'?", near));
  }
  std::string text;
  const auto program = run_passes(graph, options, [&](std::string_view name, const auto& ir) {
    if (name != stage) return true;
    if constexpr (std::is_same_v<std::decay_t<decltype(ir)>, Graph>) {
      if (!kernel.empty())
        fail("stage '{}' has no kernels; --kernel goes with a stage from lower on", stage);
      text = print(ir);
    } else {
      text = program_text(ir, kernel);
    }
    return false;
  });
  if (!program) return text;
  if (stage == "loops") return program_text(*program, kernel);
  if (!kernel.empty()) program_text(*program, kernel);  // complains of an unknown name
  return stage == "llvm" ? llvm_text(*program, kernel, options.target)
                         : assembly_text(*program, kernel, options.target);
}

}  // namespace cnnc
