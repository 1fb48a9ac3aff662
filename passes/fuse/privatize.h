// Buffers that live within one group of samples.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// An arena buffer that one kernel alone uses, and that only within one sample or one group,
/// becomes a worker's scratch of one sample's or one group's size. Preserves bits.
Program privatize(const Program& program, const PassContext& context);

}  // namespace cnnc
