// Sums over a padded image, split into those that its padding is in reach of and the others.
#pragma once

#include <optional>

#include "passes/analysis/padding.h"

namespace cnnc {

/// `stmt` in pieces, of which those that stay in the interior read the image and the others its
/// padded copy: loops are split in three along each padded dimension. Nothing where that cannot be.
/// `within_bands`: bands of rows that reach into the border are split row by row, too
/// (strip_mine_sums.h).
std::optional<Block> read_interior(const Program& program, const Padding& padding, const Stmt& stmt,
                                   bool within_bands);

}  // namespace cnnc
