// The pipeline as a table: one row a pass, in the order in which they run.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "ir/graph/graph.h"
#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// What a pass keeps of the results that its input has; tests hold it to that.
enum class Preserves : std::uint8_t {
  bits,   // every bit (of a NaN: that it is one)
  bound,  // each operation's result within the rounding errors that the pass's header states
};

using GraphPass = Graph (*)(const Graph&, const PassContext&);
using LoweringPass = Program (*)(const Graph&, const PassContext&);
using LoopPass = Program (*)(const Program&, const PassContext&);

struct Pass {
  std::string_view name;
  std::string_view group;  // a name for neighbouring rows: --skip and its kin take it, too
  std::string_view description;
  std::variant<GraphPass, LoweringPass, LoopPass> run;
  Preserves preserves = Preserves::bits;
  bool required = false;  // what comes after it cannot do without
};

/// All rows. A pass that runs twice has two rows of one name.
std::span<const Pass> passes();
/// Those that take a graph and make one; those that take loops.
std::span<const Pass> graph_passes();
std::span<const Pass> loop_passes();

/// What a row of the right level makes of the IR.
Graph run_pass(const Pass& pass, const Graph& graph, const PassContext& context);
Program run_pass(const Pass& pass, const Program& program, const PassContext& context);

}  // namespace cnnc
