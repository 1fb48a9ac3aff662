// Narrow axes of a sum that lie one behind the other in memory become one, for longer vectors.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Of sums whose results are too few along their innermost axis to fill a vector, two neighbouring
/// axes that all operands and the results step along as if they were one (columns and channels of a
/// row) become that one, through views, where the tile model takes that for faster. Every sum keeps
/// its terms and their order.
Program collapse_axes(const Program& program, const PassContext& context);

}  // namespace cnnc
