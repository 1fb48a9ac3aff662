// Kernels that compute one buffer element by element.
#pragma once

#include <optional>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// buffer[v0, v1, ...] = value, the v being all of a kernel's loop variables (or 0 where an extent
/// is 1), apart from that over groups of samples.
struct ElementwiseKernel {
  BufferId buffer = 0;
  std::vector<Expr> index;
  Expr value;
};

/// What `kernel` is, if it is that.
std::optional<ElementwiseKernel> elementwise_of(const Kernel& kernel);

/// Whether each of `index` is another of the loops' variables, or 0, and all serial loops but the
/// one over groups occur: then the loops go through each element once.
bool is_one_to_one(const std::vector<Expr>& index, const std::vector<For>& loops,
                   const For* groups);

}  // namespace cnnc
