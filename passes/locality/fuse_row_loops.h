// Nests that fill one image side by side.
#pragma once

#include <functional>

#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Whether one sample of a storage is larger than the first-level cache.
bool exceeds_first_cache(const Program& program, BufferId image, const Target& target);

/// Whether two loops are to go through an image (a storage) together.
using RowsPay = std::function<bool(const Stmt& a, const Stmt& b, BufferId image)>;

/// Nests that one after the other write to different places of the same rows of an image (the
/// phases of a strided convolution's input gradient) go through it together, band by band, as far
/// as both go, which must be most of each: a line of the cache is then written once, not once for
/// each. What is left of them becomes loops of its own; other statements may stand between, if what
/// moves ahead of them touches nothing of theirs. Done where that pays, if what they read in every
/// band is small. Preserves bits.
Program fuse_row_loops_where(const Program& program, const Target& target, const RowsPay& pays);

/// Where the image is larger than the first-level cache, or where they store elements that lie
/// apart (interleave_stores).
Program fuse_row_loops(const Program& program, const PassContext& context);

}  // namespace cnnc
