// How much memory the interpreters take before they refuse.
#pragma once

#include "ir/graph.h"
#include "ir/loop.h"

namespace cnnc {

/// Bytes of all values of a graph, or all memory of a program.
inline constexpr std::int64_t kMostInterpreterBytes = std::int64_t{1} << 32;

/// Throws Error, a PartError where an offset is at fault, for what needs more. Nothing has been
/// allocated by then.
void check_interpreter_memory(const Graph& graph, std::int64_t rows);
void check_interpreter_memory(const Program& program);

}  // namespace cnnc
