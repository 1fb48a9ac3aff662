// Nests that fill one image side by side.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Nests that one after the other write to different places of the same rows of an image (the
/// phases of a strided convolution's input gradient) go through it together, band by band: a line
/// of the cache is then written once, not once for each. Done where the image is larger than the
/// first-level cache, or where they store elements that lie apart (interleave_stores.h), if what
/// they read in every band is small. A step of `slide_rows`. Preserves bits.
Program merge_rows(const Program& program, const Target& target);

}  // namespace cnnc
