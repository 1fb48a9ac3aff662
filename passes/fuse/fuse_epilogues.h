// The third part of fusion: elementwise kernels move into the reductions that feed them.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// A kernel of sums, one an element, takes in the elementwise kernels that read them, where they
/// may run that early: a gradient is applied to its parameter and the optimizer's state where its
/// reduction ends, and is never stored if nothing else reads it. Preserves bits.
Program fuse_epilogues(const Program& program, const PassContext& context);

}  // namespace cnnc
