// Loops around register tiles, moved inside of them.
#pragma once

#include "ir/loop.h"
#include "passes/context.h"

namespace cnnc {

/// Loops around tiles that only accumulate vectors in registers go inside of them, where copies of
/// neighbouring iterations then share what they load: short ones as a whole, of long ones a few
/// iterations at a time. Preserves bits.
Program move_inside_tiles(const Program& program, const PassContext& context);

}  // namespace cnnc
