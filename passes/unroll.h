// Unrolled loops.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Loops over a register tile are unrolled, so that its accumulators have constant addresses and
/// stay in registers; so are short loops around them.
Program unroll(const Program& program, const Target& target);

}  // namespace cnnc
