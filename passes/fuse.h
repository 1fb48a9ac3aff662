// Fusion of kernels.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Moves elementwise kernels into their consumers, then joins kernels that run over the same
/// samples. Preserves bits.
Program fuse(const Program& program, const Target& target);

}  // namespace cnnc
