// Lets `perf` name the functions that the JIT made.
#pragma once

#include <span>

#include "codegen/jit.h"

namespace cnnc {

/// Appends the functions to /tmp/perf-PID.map, where perf looks for them: a line
/// `address size name` each, in hexadecimal (Linux, tools/perf/Documentation/jit-interface.txt).
/// Throws Error where the file cannot be written.
void write_perf_map(std::span<const JitSymbol> symbols);

}  // namespace cnnc
