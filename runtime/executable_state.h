// How compile() makes an Executable.
#pragma once

#include <chrono>

#include "codegen/jit.h"
#include "ir/loop.h"
#include "runtime/executable.h"

namespace cnnc {

/// Allocates the program's memory, all zero.
Executable make_executable(Program program, Jit jit, std::chrono::duration<double> compile_time);

}  // namespace cnnc
