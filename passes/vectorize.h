// Vector loops.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Innermost loops whose iterations are independent become vector loops of the target's width.
/// Preserves bits.
Program vectorize(const Program& program, const Target& target);

}  // namespace cnnc
