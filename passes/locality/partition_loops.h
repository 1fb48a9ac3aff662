// Loops over a border and an interior.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Splits loops where a condition on their variable changes its value (the zero border of a padded
/// image), and resolves the comparisons and clamped indices that each piece decides, so that the
/// interior has neither. Preserves bits.
Program partition_loops(const Program& program, const PassContext& context);

}  // namespace cnnc
