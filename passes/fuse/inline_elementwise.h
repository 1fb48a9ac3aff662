// The first half of fusion: elementwise producers move into their consumers.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Kernels that compute one arena buffer element by element disappear into the kernels that read
/// it, where no consumer would evaluate an element much more often than once (a convolution's inner
/// loop does not absorb its input's activation) and nothing the producer reads is written in
/// between. Preserves bits.
Program inline_elementwise(const Program& program, const PassContext& context);

}  // namespace cnnc
