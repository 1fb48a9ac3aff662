// A stage of images made only just ahead of what reads it.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// A nest that fills an image larger than the first-level cache row by row, before one whose
/// iterations read some rows each, further down from one to the next (a zero-padded image, before a
/// convolution's tiles), fills in each iteration the rows that are new to it: they are read while
/// they are in the first-level cache, and computing hides the time that their source takes to come
/// from memory. Preserves bits.
Program slide_window(const Program& program, const PassContext& context);

}  // namespace cnnc
