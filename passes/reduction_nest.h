// Sums as lowering makes them: what tiles are made of.
#pragma once

#include <optional>
#include <vector>

#include "ir/loop.h"

namespace cnnc {

/// for axes { alloc sum; sum[] = initial; for reduce { sum[] op= value }; stores, maybe with lets }
struct ReductionNest {
  std::vector<For> axes;
  BufferId sum;
  Expr initial;
  std::vector<For> reduce;
  Accumulate inner;
  Block epilogue;
  Store store;  // the epilogue's first
};

/// Nothing where `stmt` is no such nest, or one whose results may not be computed several at once.
std::optional<ReductionNest> reduction_nest(const Program& program, const Stmt& stmt);

}  // namespace cnnc
