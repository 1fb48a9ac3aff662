// Sums of few terms that fill a wide image side by side.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// The phases of a strided input gradient (of depthwise convolutions) that is larger than the
/// first-level cache go through it row by row together where to move it takes longer than to make
/// it: the image and what it is made from come and go once, not once a phase. Tiles then stay
/// within a row; where sums are longer, fuse_row_loops comes after tiling.
/// Preserves bits.
Program fuse_small_sums(const Program& program, const PassContext& context);

}  // namespace cnnc
