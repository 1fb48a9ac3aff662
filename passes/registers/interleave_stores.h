// Results that lie side by side in memory and in several registers, stored in whole vectors.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Nests that store rows of registers, or constants, some elements apart, which together fill rows
/// of a buffer without gaps, store them together: each vector takes its lanes from the rows that
/// have them. The rows are the results of channels (fewer than a vector has lanes, so that columns
/// are the lanes), the phases of a strided convolution's input gradient, or both.
/// Preserves bits.
Program interleave_stores(const Program& program, const PassContext& context);

}  // namespace cnnc
