// The pipeline, stage by stage: graph passes, lowering, loop passes, LLVM, machine code.
// compile.cpp is the page to read first.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codegen/host.h"
#include "ir/graph/graph.h"
#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "passes/pipeline/pipeline.h"
#include "runtime/exec/executable.h"

namespace cnnc {

struct CompileOptions {
  Target target;                       // host_target() for this machine
  std::vector<std::string> skip = {};  // passes and groups of passes left out
  bool verify_each = false;            // run the verifier after every pass
  bool check_bounds = false;           // machine code checks its indices: Executable::run says
  int threads = 0;                     // that compile; 0: all usable cores
  PassConfig config = {};
};

/// A row of the pipeline; list_passes has them in the order in which they run.
struct PassInfo {
  std::string level;  // of the result: "graph" or "loop"
  std::string group, name, description;
  std::string stage;      // the name; of a pass's second row, NAME:2
  bool required = false;  // cannot be skipped
  Preserves preserves = Preserves::bits;
};
std::vector<PassInfo> list_passes();
/// The names of all groups, in their order.
std::vector<std::string> list_groups();

/// The stages that a name stands for where one is run or shown: a stage itself, or all of a group.
/// Throws Error for an unknown name.
std::vector<std::string> stages_of(const std::string& name);

/// Either level of IR.
using Ir = std::variant<Graph, Program>;
std::string print(const Ir& ir);

/// Sees the IR at every stage: first `graph`, as given, then after each pass, also one that was
/// skipped, with the time that the pass took. What returns false ends the pipeline there.
using Observer =
    std::function<bool(std::string_view stage, const Ir& ir, std::chrono::duration<double> time)>;

/// `graph` after all passes, or what it was when `observe` ended it. Throws Error for a name in
/// `skip` that is unknown or stands for a required pass; a pass's name there means all its rows.
Ir run_pipeline(const Graph& graph, const CompileOptions& options, const Observer& observe = {});

/// `ir` after the passes and groups of these names, in this order, whatever the order of the table;
/// the result of each is verified. Throws Error for an unknown name, and for a pass of the other
/// level.
Ir run_passes(Ir ir, std::span<const std::string> names, const PassContext& context);

/// `program` ready for LLVM: the passes that it cannot do without, expand_math and plan_memory, run
/// where it lacks them. Throws PartError where the verifier refuses it, or finds it too large.
Program completed(const Program& program, const Target& target);

/// The graph, or from `lower` on the program, at a stage: `graph`, a pass's name, a group's (after
/// its last pass), `loops` (the last). Throws Error for an unknown stage.
Ir ir_at(const Graph& graph, const std::string& stage, const CompileOptions& options);

/// The machine code of `graph` (a forward graph: passes differentiate it where it has an
/// optimizer), ready to run, all memory zero. Throws Error as run_pipeline does, and where this
/// machine cannot run code for the target.
Executable compile(const Graph& graph, const CompileOptions& options);

}  // namespace cnnc
