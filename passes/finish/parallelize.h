// Parallel loops.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// The outermost loop of a kernel becomes parallel where its iterations write different elements,
/// which the ranges of all indices must show (passes/analysis/affine.h), and there is enough work or
/// it runs over groups of samples; a long loop of little work an iteration is split into blocks
/// first. Preserves bits: no sum is split.
Program parallelize(const Program& program, const PassContext& context);

}  // namespace cnnc
