// Rows that are taken apart, loaded once.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Nests one after the other that copy elements some elements apart from the same rows of a buffer
/// (the phases of a strided convolution's image, its channels, or both), each to neighbours, load
/// those rows once, as whole vectors into registers, and take their lanes from there. Preserves
/// bits.
Program deinterleave_loads(const Program& program, const PassContext& context);

}  // namespace cnnc
