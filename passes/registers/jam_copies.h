// Copies of statements that load the same elements, side by side.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Unrolled loops one behind the other, over the same copies, that add to registers of their own
/// become one where they load the same elements (tiles of whole vectors and what is left of these):
/// each element is then at hand for one after the other, and need not be kept.
/// Preserves bits.
Program jam_copies(const Program& program, const PassContext& context);

}  // namespace cnnc
