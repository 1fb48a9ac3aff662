// Loops over a border and an interior.
#pragma once

#include "ir/loop.h"
#include "passes/context.h"

namespace cnnc {

/// Splits loops where a condition on their variable changes its value (the zero border of a padded
/// image), and resolves the comparisons and clamped indices that each piece decides, so that the
/// interior has neither. Preserves bits.
Program split_borders(const Program& program, const PassContext& context);

}  // namespace cnnc
