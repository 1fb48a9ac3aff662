// Gradients that a max-pool hands on: zero but at each window's arg-max.
#pragma once

#include <array>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// d[n, oy, ky, ox, kx, c] = select(place == ky * width + kx, gradient, 0): one pixel a (ky, kx) of
/// windows that cover the image side by side. `place` is known to lie in the window.
struct PooledGradient {
  BufferId scattered = 0;              // d
  std::array<Var, 4> at;               // n, oy, ox, c
  std::array<std::int64_t, 2> window;  // extents of ky and kx
  Expr place, gradient;                // in terms of `at`

  /// The image that d is, seen as [n, h, w, c].
  Dims image(const Program& program) const;
};

/// All that the kernels of `program` compute.
std::vector<PooledGradient> pooled_gradients(const Program& program);

/// Whether `buffer` is `pooled`'s image, through a view [n, h, w, c].
bool is_image_of(const Program& program, const PooledGradient& pooled, BufferId buffer);

}  // namespace cnnc
