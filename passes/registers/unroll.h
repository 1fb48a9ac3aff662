// Unrolled loops.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Loops over a register tile are unrolled, so that its accumulators have constant addresses and
/// stay in registers; so are short loops around them. One along which neighbouring results read the
/// same elements (the columns of a depthwise kernel) goes inside, where each is loaded once.
/// Preserves bits.
Program unroll(const Program& program, const PassContext& context);

}  // namespace cnnc
