// The second half of fusion: kernels over the same groups of samples become one.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Kernels whose outermost loop runs over groups of samples, and that exchange data only within a
/// sample or a group, share one such loop, so that a group stays in one core's cache from its first
/// layer to its last; kernels in between that do not depend on them move ahead. Inside, loops over
/// the samples of a group are joined too, except where a kernel wants to tile the samples
/// themselves (a dense layer). Preserves bits: no order within a sample's or a group's arithmetic
/// changes.
Program fuse_kernels(const Program& program, const PassContext& context);

}  // namespace cnnc
