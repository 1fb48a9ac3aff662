// A convolution's input gradient from a pooled gradient: window by window instead of pixel by
// pixel.
#pragma once

#include "ir/loop/loop.h"
#include "passes/fuse/pooled_gradient.h"

namespace cnnc {

/// Where a convolution's input gradient gathers the products of `pooled`'s image with the weights,
/// nearly all of the image being zero, the products of each window's arg-maxes are added up for
/// each of its pixels, and then to the pixels that they reach, in scratch with a margin so that
/// none falls outside. Within the rounding of a sum in another order (windows instead of taps, a
/// block of channels at a time, without the products with zero), for finite weights. Left alone:
/// windows of so few pixels and weights of so few channels that full vectors over all pixels are
/// faster, and sums that would grow long (split_sums.h).
void route_input_gradients(Program& program, const PooledGradient& pooled);

}  // namespace cnnc
