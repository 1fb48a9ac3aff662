// Long sums, block by block.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph/op.h"
#include "ir/loop/loop.h"

namespace cnnc {

/// Loops over blocks, to go around the loops over the terms of one block.
struct BlockedSum {
  std::vector<For> blocks;
  std::vector<Axis> terms;
  Substitution axes;  // the split axis in terms of block and term
};

/// How a stage's float sum of many terms is cut into blocks; nothing for short sums, other
/// reductions and sums over the batch. Rounding errors grow with the length of a block and the
/// number of blocks instead of their product (Higham, Accuracy and Stability of Numerical
/// Algorithms, section 4.2), and one block of an operand stays in cache while all results use it.
std::optional<BlockedSum> split_sum(const Stage& stage);

}  // namespace cnnc
