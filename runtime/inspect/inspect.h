// Looking into the compiler: the text at any stage, what a pass changes, where the time goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/compile.h"

namespace cnnc {

/// The stages that emit() knows: `graph`, every pass and group by name, `loops`, `llvm`, `assembly`. (`model`
/// is the front end's.)
std::vector<std::string> list_stages();

/// The text of `ir`, or where `kernel` is not empty of that kernel; `stage` is what messages call
/// it. Throws Error for an unknown kernel, with what there is, and for one of a graph.
std::string text_of(const Ir& ir, const std::string& kernel, std::string_view stage);

/// The text of a graph at a stage: `graph` as given, a pass's name: after it, `loops` after the
/// last loop pass, `llvm`, `assembly`. Of loops: themselves at `loops`, `llvm` and `assembly`, no
/// pass being run. `kernel` (not empty) limits loop-level and lower text to that kernel. Works for
/// targets that this machine lacks. Throws Error for an unknown stage or kernel, with what there
/// is, and for a stage that loops are past.
std::string emit(const Ir& ir, const std::string& stage, const std::string& kernel,
                 const CompileOptions& options);

/// The unified difference that `pass` makes to the text of `ir`: of a graph, in its place in the
/// pipeline; of loops, alone. Where it changes nothing, a line that says so. Throws Error as emit
/// does.
std::string diff_pass(const Ir& ir, const std::string& pass, const std::string& kernel,
                      const CompileOptions& options);

/// A table of the time that each pass and LLVM take to compile `graph` (measured once, cold), up to
/// pass `last` where that is not empty: pass, ms, share; then LLVM, each kernel's part.
std::string time_passes(const Graph& graph, const std::string& last, const CompileOptions& options);

}  // namespace cnnc
