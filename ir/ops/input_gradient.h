// What the two forms of conv2d_input_gradient's compute share.
#pragma once

#include <vector>

#include "ir/ops/convolution.h"

namespace cnnc {

/// The channels of x and the sum over those of y in the same group, as axes and as indices of dy
/// and of `flipped`: w[kh - 1 - fy, kw - 1 - fx, ...] with its channels transposed, so that ci is
/// innermost and contiguous.
struct InputGradientChannels {
  std::vector<Axis> outer, reduce;
  Expr out;                        // channel of y
  std::vector<Axis> flipped_axes;  // after fy, fx
  std::vector<Expr> flipped;       // the sum's index of flipped, after fy, fx
  Expr weight_in, weight_out;      // w's indices in terms of flipped_axes
};
InputGradientChannels input_gradient_channels(const Convolution& conv);

/// flipped[fy, fx, ...] of operand 1.
Stage flipped_stage(const Convolution& conv, const InputGradientChannels& channels,
                    ScalarType type);

/// Whether the gradient of a strided convolution should be computed phase by phase: not where
/// there would be too many of them.
bool has_phases(const Convolution& conv);

/// With strides: rows and columns of x that lie alike between those of y are a phase. Each phase is
/// a convolution of its own, without stride, by those taps of the kernel that meet it; the last
/// stage puts them together. Products are summed in the order of the gather in
/// conv2d_input_gradient.cpp, less those with the zeros between dy's rows and columns; the border
/// around dy takes part as there.
Computation input_gradient_by_phase(const Convolution& conv, ScalarType type);

}  // namespace cnnc
