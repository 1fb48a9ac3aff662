// Borders of zeros that are written once for a group of samples.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Moves stores of constants out of loops over samples where nothing else in the program writes
/// these elements; of small buffers only, since they keep their memory as long as the loop runs.
Program hoist_constant_stores(const Program& program, const PassContext& context);

}  // namespace cnnc
