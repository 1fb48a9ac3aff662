#include "runtime/inspect/inspect.h"

#include <algorithm>
#include <numeric>

#include "codegen/jit.h"
#include "runtime/exec/cores.h"
#include "runtime/inspect/line_diff.h"

namespace cnnc {

namespace {

std::string describe_kernels(const Program& program) {
  std::string names;
  for (const Kernel& kernel : program.kernels)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kernel.name);
  return names;
}

void check_stage(const std::string& stage) {
  const auto stages = list_stages();
  if (std::ranges::find(stages, stage) != stages.end()) return;
  const std::string near = closest(stage, stages);
  fail("unknown stage '{}'; {}", stage,
       near.empty() ? "there are model, graph, loops, llvm, assembly and every pass"
                    : fmt::format("did you mean '{}'?", near));
}

std::string emit_program(const Program& program, const std::string& stage,
                         const std::string& kernel, const Target& target) {
  const std::string loops = text_of(program, kernel, stage);  // complains of an unknown kernel
  if (stage == "loops") return loops;
  return stage == "llvm" ? llvm_text(program, kernel, target)
                         : assembly_text(program, kernel, target);
}

double total(const std::vector<double>& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

}  // namespace

std::vector<std::string> list_stages() {
  std::vector<std::string> stages{"graph"};
  for (const PassInfo& pass : list_passes()) stages.push_back(pass.stage);
  for (std::string& group : list_groups()) stages.push_back(std::move(group));
  for (const char* name : {"loops", "llvm", "assembly"}) stages.emplace_back(name);
  return stages;
}

std::string text_of(const Ir& ir, const std::string& kernel, std::string_view stage) {
  if (kernel.empty()) return print(ir);
  const auto* program = std::get_if<Program>(&ir);
  if (!program) fail("stage '{}' has no kernels; --kernel goes with a stage from lower on", stage);
  std::string text;
  for (const Kernel& each : program->kernels)
    if (each.name == kernel) text += print(*program, each);
  if (text.empty())
    fail("no kernel is called '{}' at this stage; there are {}", kernel,
         describe_kernels(*program));
  return text;
}

std::string emit(const Ir& ir, const std::string& stage, const std::string& kernel,
                 const CompileOptions& options) {
  check_stage(stage);
  if (const auto* program = std::get_if<Program>(&ir)) {
    if (stage != "loops" && stage != "llvm" && stage != "assembly")
      fail(
          "stage '{}' is not ahead of loops; there are loops, llvm, assembly (to run a pass on "
          "them: --run)",
          stage);
    return emit_program(stage == "loops" ? *program : completed(*program, options.target), stage,
                        kernel, options.target);
  }
  const bool machine = stage == "llvm" || stage == "assembly";
  const Ir at = ir_at(std::get<Graph>(ir), machine ? "loops" : stage, options);
  return machine ? emit_program(std::get<Program>(at), stage, kernel, options.target)
                 : text_of(at, kernel, stage);
}

std::string diff_pass(const Ir& ir, const std::string& pass, const std::string& kernel,
                      const CompileOptions& options) {
  std::string before, after;
  if (std::holds_alternative<Program>(ir)) {
    before = text_of(ir, kernel, pass);
    after = text_of(run_passes(ir, std::vector{pass}, options.target), kernel, pass);
  } else {
    const auto stages = stages_of(pass);
    Ir previous;
    run_pipeline(std::get<Graph>(ir), options, [&](std::string_view name, const Ir& at, auto) {
      if (name == stages.front()) {
        // Where the pass makes the kernels, a kernel's name means something after it only.
        const bool lowers =
            std::holds_alternative<Graph>(previous) && std::holds_alternative<Program>(at);
        before = lowers ? print(previous) : text_of(previous, kernel, pass);
      }
      if (name == stages.back()) after = text_of(at, kernel, pass);
      previous = at;
      return name != stages.back();
    });
  }
  const std::string text = line_diff(before, after, "before " + pass, "after " + pass);
  return text.empty() ? fmt::format("{} changes nothing\n", pass) : text;
}

std::string time_passes(const Graph& graph, const std::string& last,
                        const CompileOptions& options) {
  struct Row {
    std::string name;
    double seconds;
  };
  std::vector<Row> rows, parts;
  const std::string end = last.empty() ? last : stages_of(last).back();
  const Ir ir = run_pipeline(graph, options, [&](std::string_view name, const Ir&, auto time) {
    if (name != "graph") rows.push_back({std::string(name), time.count()});
    return name != end;
  });
  if (last.empty()) {
    const auto& program = std::get<Program>(ir);
    const int threads = options.threads > 0 ? options.threads : usable_cores();
    const auto start = std::chrono::steady_clock::now();
    const auto modules = compile_modules(program, options.target, threads);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    for (const CompiledModule& module : modules) {
      const std::size_t more = module.symbols.size() - 1;
      parts.push_back({module.symbols.front() + (more > 0 ? fmt::format(" and {} more", more) : ""),
                       module.time.count()});
    }
    rows.push_back({fmt::format("LLVM ({} threads)", threads), wall.count()});
  }
  std::vector<double> seconds;
  for (const Row& row : rows) seconds.push_back(row.seconds);
  const auto line = [](std::string_view name, double s, double all) {
    return fmt::format("{:<44} {:>9.2f} {:>6.1f} %\n", name, 1e3 * s, all > 0 ? 100 * s / all : 0);
  };
  std::string text = fmt::format("{:<44} {:>9} {:>8}\n", "pass", "ms", "share");
  for (const Row& row : rows) text += line(row.name, row.seconds, total(seconds));
  text += line("total", total(seconds), total(seconds));
  if (parts.empty()) return text;
  seconds.clear();
  for (const Row& row : parts) seconds.push_back(row.seconds);
  std::ranges::stable_sort(parts, std::greater{}, &Row::seconds);
  text += fmt::format("\n{:<44} {:>9} {:>8}\n", "LLVM, by module", "ms", "share");
  for (const Row& row : parts) text += line(row.name, row.seconds, total(seconds));
  return text;
}

}  // namespace cnnc
