// Fusion of kernels.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Moves elementwise kernels into their consumers, then joins kernels that run over the same
/// samples; both preserve bits. Before that, lets sums over pooled gradients run over windows,
/// which preserves them within the rounding of a sum in another order (passes/route_gradients.h).
Program fuse(const Program& program, const Target& target);

}  // namespace cnnc
