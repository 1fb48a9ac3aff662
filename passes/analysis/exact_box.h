// Which elements loops reach, without any that they do not.
#pragma once

#include <optional>
#include <vector>

#include "ir/loop/integer_range.h"
#include "ir/loop/loop.h"

namespace cnnc {

/// The box of which `index`, inside of `loops`, reaches every element: where each dimension is a
/// constant or goes through its range by loops of its own, tiles included (t*4 + i, i in 0 .. 4).
/// Nothing where that is not seen, or some loop has no constant bounds.
std::optional<Box> exact_box(const std::vector<Expr>& index, const std::vector<For>& loops);

/// Whether the boxes, of which no two overlap, have all elements of a tensor of these dimensions.
bool fill(const std::vector<Box>& boxes, const Dims& dims);

}  // namespace cnnc
