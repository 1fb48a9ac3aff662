// Work that weights alone decide.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// In a program that changes no state (inference), marks the kernels that depend on states alone
/// (folded or turned weights): they run once, when weights have been set, and their results stay.
/// Preserves bits.
Program run_once(const Program& program, const PassContext& context);

}  // namespace cnnc
