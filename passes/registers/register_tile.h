// Register tiles.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Every reduction nest computes a block of results at once, with its accumulators in a register
/// buffer, unless it reads what its neighbours store. Preserves bits: each result's own sum keeps
/// its order.
Program register_tile(const Program& program, const PassContext& context);

}  // namespace cnnc
