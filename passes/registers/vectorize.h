// Vector loops.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Innermost loops whose iterations are independent become vector loops of the target's width.
/// Preserves bits.
Program vectorize(const Program& program, const PassContext& context);

}  // namespace cnnc
