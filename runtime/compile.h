// The pipeline, stage by stage: graph passes, lowering, loop passes, LLVM, machine code.
// compile.cpp is the page to read first.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codegen/host.h"
#include "ir/graph.h"
#include "ir/loop.h"
#include "ir/target.h"
#include "runtime/executable.h"

namespace cnnc {

struct CompileOptions {
  Target target;                  // host_target() for this machine
  std::vector<std::string> skip;  // names of passes left out
  bool verify_each = false;       // run the verifier after every pass
};

/// One row for --list-passes: "graph" or "loop" level, name, description, in the order in which
/// they run.
struct PassInfo {
  std::string level, name, description;
};
std::vector<PassInfo> list_passes();
/// The stages that emit() knows: model is the front end's; `graph`, every pass by name, `loops`,
/// `llvm`, `assembly`.
std::vector<std::string> list_stages();

/// The machine code of `graph` (a forward graph: passes differentiate it where it has an
/// optimizer), ready to run, all memory zero. Throws Error for an unknown pass in `skip`.
Executable compile(const Graph& graph, const CompileOptions& options);

/// The graph, or from `lower` on the program, at a stage as emit() knows them, but for those below
/// `loops`. Throws Error for an unknown stage.
std::variant<Graph, Program> ir_at(const Graph& graph, const std::string& stage,
                                   const CompileOptions& options);

/// The text of `graph` at a stage: `graph` as given, a pass's name: after it, `loops` after the
/// last loop pass, `llvm`, `assembly`. `kernel` (not empty) limits loop-level and lower text to
/// that kernel. Throws Error for an unknown stage or kernel, with what there is.
std::string emit(const Graph& graph, const std::string& stage, const std::string& kernel,
                 const CompileOptions& options);

}  // namespace cnnc
