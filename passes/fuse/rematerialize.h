// What training keeps, and what it computes again.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Where the arena is fullest, buffers that are kept for later kernels (activations for the
/// backward pass, mostly) go, if what they are made of is kept anyway and an element is cheap to
/// make: those kernels make them again, sample by sample. Only what lowers the arena's fullest
/// point by a hundredth or more is done, largest buffers first. Adds nothing to what else must be
/// kept. Preserves bits.
Program rematerialize(const Program& program, const PassContext& context);

}  // namespace cnnc
