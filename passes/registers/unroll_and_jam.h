// Loops around register tiles, moved inside of them.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Loops around tiles that only accumulate vectors in registers go inside of them, where copies of
/// neighbouring iterations then share what they load: short ones as a whole, of long ones a few
/// iterations at a time. Preserves bits.
Program unroll_and_jam(const Program& program, const PassContext& context);

}  // namespace cnnc
