// Sums over the pixels of large images, a few rows at a time.
#pragma once

#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Nests that add a sample's sums over an image to sums over many samples (a convolution's weight
/// gradient), and whose operands are larger than PassConfig::band_bytes, go through the image in bands
/// of rows that are not, and add each band's sums: all results then use a band while it is in the
/// cache. Within the rounding of a sum in shorter parts.
Program strip_mine_sums(const Program& program, const PassContext& context);

}  // namespace cnnc
