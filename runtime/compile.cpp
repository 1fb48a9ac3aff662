// The pipeline. Read this page first: model text -> (frontend) graph -> graph passes -> lower ->
// loop passes -> LLVM -> machine code.
#include "runtime/compile.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "codegen/jit.h"
#include "codegen/perf_map.h"
#include "passes/finish/expand_math.h"
#include "passes/finish/plan_memory.h"
#include "runtime/exec/cores.h"
#include "runtime/exec/executable_state.h"

namespace cnnc {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_unknown_pass(const std::string& name) {
  std::vector<std::string> names = list_groups();
  for (const PassInfo& pass : list_passes()) names.push_back(pass.stage);
  const std::string near = closest(name, names);
  fail("unknown pass '{}'{}", name,
       near.empty() ? "; --list-passes shows them" : fmt::format("; did you mean '{}'?", near));
}

/// The stages that are left out.
std::set<std::string> skipped_stages(const CompileOptions& options) {
  std::set<std::string> result;
  const std::vector<PassInfo> rows = list_passes();
  for (const std::string& name : options.skip) {
    const auto stages = stages_of(name);
    result.insert(stages.begin(), stages.end());
    for (const PassInfo& row : rows)
      if (row.name == name) result.insert(row.stage);
  }
  for (const PassInfo& row : rows)
    if (row.required && result.contains(row.stage))
      fail("pass '{}' cannot be skipped: what follows needs it", row.name);
  return result;
}

/// Runs the row on the IR of its level.
Ir run_row(const Pass& pass, const Ir& ir, const PassContext& context) {
  const auto* graph = std::get_if<Graph>(&ir);
  if (std::holds_alternative<LoopPass>(pass.run)) {
    if (graph) fail("pass '{}' takes loops, not a graph: run lower before it", pass.name);
    return run_pass(pass, std::get<Program>(ir), context);
  }
  if (!graph) fail("pass '{}' takes a graph, not loops", pass.name);
  if (const auto* lower = std::get_if<LoweringPass>(&pass.run)) return (*lower)(*graph, context);
  return run_pass(pass, *graph, context);
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
  for (const Pass& pass : passes()) {
    const auto before = std::ranges::count(all, pass.name, &PassInfo::name);
    all.push_back({.level = std::holds_alternative<GraphPass>(pass.run) ? "graph" : "loop",
                   .group = std::string(pass.group),
                   .name = std::string(pass.name),
                   .description = std::string(pass.description),
                   .stage = before == 0 ? std::string(pass.name)
                                        : fmt::format("{}:{}", pass.name, before + 1),
                   .required = pass.required,
                   .preserves = pass.preserves});
  }
  return all;
}

std::vector<std::string> list_groups() {
  std::vector<std::string> all;
  for (const Pass& pass : passes())
    if (all.empty() || all.back() != pass.group) all.emplace_back(pass.group);
  return all;
}

std::vector<std::string> stages_of(const std::string& name) {
  std::vector<std::string> group;
  for (const PassInfo& row : list_passes()) {
    if (row.stage == name) return {name};
    if (row.group == name) group.push_back(row.stage);
  }
  if (group.empty()) fail_unknown_pass(name);
  return group;
}

std::string print(const Ir& ir) {
  return std::visit([](const auto& level) { return print(level); }, ir);
}

Ir run_pipeline(const Graph& graph, const CompileOptions& options, const Observer& observe) {
  const std::set<std::string> skipped = skipped_stages(options);
  const PassContext context(options.target, options.config);
  const std::vector<PassInfo> rows = list_passes();
  Ir ir = graph;
  if (observe && !observe("graph", ir, {})) return ir;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& stage = rows[i].stage;
    const auto start = Clock::now();
    if (!skipped.contains(stage)) ir = run_row(passes()[i], ir, context);
    const auto time = Clock::now() - start;
    if (options.verify_each) verify_ir(ir, stage);
    if (observe && !observe(stage, ir, time)) return ir;
  }
  return ir;
}

Ir run_passes(Ir ir, std::span<const std::string> names, const PassContext& context) {
  const std::vector<PassInfo> rows = list_passes();
  for (const std::string& name : names)
    for (const std::string& stage : stages_of(name)) {
      const auto row = std::ranges::find(rows, stage, &PassInfo::stage) - rows.begin();
      ir = run_row(passes()[static_cast<std::size_t>(row)], ir, context);
      verify_ir(ir, stage);
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
  const bool end = stage == "graph" || stage == "loops";
  const std::string last = end ? stage : stages_of(stage).back();
  return run_pipeline(graph, options,
                      [&](std::string_view name, const Ir&, auto) { return name != last; });
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
