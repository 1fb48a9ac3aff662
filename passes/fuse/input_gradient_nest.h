// Kernels that gather a convolution's input gradient from a pooled gradient.
#pragma once

#include <array>
#include <optional>

#include "passes/fuse/pooled_gradient.h"

namespace cnnc {

/// A buffer [n, h, w, c] that is the pooled gradient's image inside a border of zeros.
struct Border {
  BufferId buffer = 0;
  std::array<std::int64_t, 2> before{0, 0};  // rows and columns of zeros
};

/// The image and the borders around it that kernels of `program` make.
std::vector<Border> borders_of(const Program& program, const PooledGradient& pooled);

/// dx[n,y,x,i] = sum over fy, fx, c of border[n, y + fy*dilation, x + fx*dilation, c] *
/// weight[fy,fx,c,i], all at once or block by block.
struct InputGradientNest {
  For samples;
  BufferId result = 0, weight = 0;
  std::array<std::int64_t, 2> dilation{1, 1};
};

/// What `kernel` computes from `border`, where it is that and nothing else.
std::optional<InputGradientNest> input_gradient_of(const Program& program, const Kernel& kernel,
                                                   const Border& border);

}  // namespace cnnc
