// How compile() makes an Executable, and what kernels are given.
#pragma once

#include <chrono>

#include "codegen/jit.h"
#include "ir/loop/loop.h"
#include "runtime/exec/executable.h"

namespace cnnc {

/// Runs parallel loops of kernels on `pool`.
void attach(ThreadPool& pool, KernelContext& context);

/// Allocates the program's memory, all zero.
Executable make_executable(Program program, Jit jit, std::chrono::duration<double> compile_time);

}  // namespace cnnc
