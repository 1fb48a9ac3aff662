// The pipeline. Read this page first: model text -> (frontend) graph -> graph passes -> lower ->
// loop passes -> LLVM -> machine code.
#include "runtime/compile.h"

#include <algorithm>
#include <cstdlib>

#include "codegen/jit.h"
#include "codegen/perf_map.h"
#include "passes/expand_math.h"
#include "passes/lower.h"
#include "passes/plan_memory.h"
#include "runtime/cores.h"
#include "runtime/executable_state.h"

namespace cnnc {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_unknown_pass(const std::string& name) {
  std::vector<std::string> names;
  for (const PassInfo& pass : list_passes()) names.push_back(pass.name);
  const std::string near = closest(name, names);
  fail("unknown pass '{}'{}", name,
       near.empty() ? "; --list-passes shows them" : fmt::format("; did you mean '{}'?", near));
}

void check_skips(const CompileOptions& options) {
  const auto passes = list_passes();
  for (const std::string& name : options.skip) {
    const auto pass = std::ranges::find(passes, name, &PassInfo::name);
    if (pass == passes.end()) fail_unknown_pass(name);
    if (pass->required) fail("pass '{}' cannot be skipped: what follows needs it", name);
  }
}

/// Runs the row's pass on the IR of its level.
template <class Level>
Ir run_row(const PassRow<Level>& row, const Ir& ir, const Target& target) {
  if (const auto* input = std::get_if<Level>(&ir)) return row.run(*input, target);
  constexpr bool takes_graph = std::is_same_v<Level, Graph>;
  fail("pass '{}' takes {}", row.name,
       takes_graph ? "a graph, not loops" : "loops, not a graph: run lower before it");
}

Ir run_pass(const std::string& name, const Ir& ir, const Target& target) {
  for (const auto& row : graph_passes())
    if (row.name == name) return run_row(row, ir, target);
  for (const auto& row : loop_passes())
    if (row.name == name) return run_row(row, ir, target);
  if (name != kLowerName) fail_unknown_pass(name);
  if (const auto* graph = std::get_if<Graph>(&ir)) return lower(*graph, target);
  fail("pass '{}' takes a graph, not loops", name);
}

void verify_ir(const Ir& ir, std::string_view stage) {
  std::visit([&](const auto& level) { verify(level, stage); }, ir);
}

/// Without the instruction LLVM would call a function of the C library.
void check_fma(const Program& program, const Target& target) {
  for (const Kernel& kernel : program.kernels)
    walk_exprs(kernel.body, [&](const Expr& top) {
      walk(top, [&](const Expr& expr) {
        if (expr.as<Fma>())
          fail("kernel {}: target {} has no fma; contract_fma made it for another one", kernel.name,
               target.name);
      });
    });
}

}  // namespace

std::vector<PassInfo> list_passes() {
  std::vector<PassInfo> all;
  const auto add = [&](const char* level, const auto& row) {
    all.push_back(
        {level, std::string(row.name), std::string(row.description), row.required, row.preserves});
  };
  for (const auto& pass : graph_passes()) add("graph", pass);
  all.push_back(
      {"loop", std::string(kLowerName), std::string(kLowerDescription), true, Preserves::bound});
  for (const auto& pass : loop_passes()) add("loop", pass);
  return all;
}

std::string print(const Ir& ir) {
  return std::visit([](const auto& level) { return print(level); }, ir);
}

Ir run_pipeline(const Graph& graph, const CompileOptions& options, const Observer& observe) {
  check_skips(options);
  Ir ir = graph;
  if (observe && !observe("graph", ir, {})) return ir;
  for (const PassInfo& pass : list_passes()) {
    const auto start = Clock::now();
    if (std::ranges::find(options.skip, pass.name) == options.skip.end())
      ir = run_pass(pass.name, ir, options.target);
    const auto time = Clock::now() - start;
    if (options.verify_each) verify_ir(ir, pass.name);
    if (observe && !observe(pass.name, ir, time)) return ir;
  }
  return ir;
}

Ir run_passes(Ir ir, std::span<const std::string> names, const Target& target) {
  for (const std::string& name : names) {
    ir = run_pass(name, ir, target);
    verify_ir(ir, name);
  }
  return ir;
}

Program completed(const Program& program, const Target& target) {
  for (const Need need : {Need::meaning, Need::size})
    if (const auto faults = find_faults(program, need); !faults.empty())
      throw PartError(faults.front().part, faults.front().message);
  if (!target.fma) check_fma(program, target);
  Program result = expand_math(program, target);
  if (!is_planned(result)) result = plan_memory(result, target);
  verify(result, "completion", Need::code);
  return result;
}

Ir ir_at(const Graph& graph, const std::string& stage, const CompileOptions& options) {
  bool found = stage == "loops";
  Ir ir = run_pipeline(graph, options, [&](std::string_view name, const Ir&, auto) {
    const bool here = name == stage;
    found |= here;
    return !here;
  });
  if (!found) fail("there is neither a graph nor a program at stage '{}'", stage);
  return ir;
}

Executable compile(const Graph& graph, const CompileOptions& options) {
  const auto start = Clock::now();
  check_runs_here(options.target);
  auto program = std::get<Program>(run_pipeline(graph, options));
  const int threads = options.threads > 0 ? options.threads : usable_cores();
  Jit jit(program, options.target, threads, {.check_bounds = options.check_bounds});
  if (std::getenv("CNNC_PERF_MAP")) write_perf_map(jit.symbols());
  return make_executable(std::move(program), std::move(jit), Clock::now() - start);
}

}  // namespace cnnc
