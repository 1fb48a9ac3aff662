// Nests that fill one image side by side.
#pragma once

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// Nests that one after the other write to different places of the same rows of an image larger
/// than the first-level cache (the phases of a strided convolution's input gradient) go through it
/// together, band by band: a line of the cache is then written once, not once for each. Done where
/// what they read in every band is small. A step of `slide_rows`. Preserves bits.
Program merge_rows(const Program& program, const Target& target);

}  // namespace cnnc
