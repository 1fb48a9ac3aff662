#include "passes/lower/split_sums.h"

#include "passes/context/reduction_order.h"

namespace cnnc {

namespace {

/// The divisor of `extent` nearest to `wanted` from below that is at least half of it, else the
/// next one above, so that all blocks are alike.
std::int64_t block_length(std::int64_t extent, std::int64_t wanted) {
  for (std::int64_t length = wanted; 2 * length >= wanted; --length)
    if (extent % length == 0) return length;
  for (std::int64_t length = wanted + 1; length < extent; ++length)
    if (extent % length == 0) return length;
  return extent;
}

}  // namespace

std::optional<BlockedSum> split_sum(const Stage& stage) {
  if (stage.op != Reduction::add || !is_float(stage.type)) return std::nullopt;
  std::int64_t terms = 1;
  for (const Axis& axis : stage.reduce) {
    if (axis.extent == kBatch) return std::nullopt;
    terms *= axis.extent;
  }
  if (terms <= kLongestSum) return std::nullopt;
  BlockedSum sum;
  for (const Axis& axis : stage.reduce) {
    if (terms <= kLongestSum) {
      sum.terms.push_back(axis);
      continue;
    }
    const std::int64_t inner = terms / axis.extent;
    const std::int64_t length =
        inner >= kBlockTerms / 4 ? 1 : block_length(axis.extent, kBlockTerms / inner);
    if (length == 1) {
      if (axis.extent > 1)
        sum.blocks.push_back({axis.var, 0, axis.extent, LoopKind::serial, {}});
      else
        sum.terms.push_back(axis);
      terms = inner;
      continue;
    }
    const Var block = make_var(axis.var->name + ".block"), term = make_var(axis.var->name);
    sum.blocks.push_back({block, 0, axis.extent / length, LoopKind::serial, {}});
    sum.terms.push_back({term, length});
    sum.axes[axis.var] = Expr(block) * length + Expr(term);
    terms = 0;
  }
  return sum;
}

}  // namespace cnnc
