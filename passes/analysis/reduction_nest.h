// Sums as lowering makes them: what tiles are made of.
#pragma once

#include <optional>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// for axes { alloc sum; sum[] = initial; for reduce { sum[] op= value }; stores, maybe with lets }
/// The terms may come in several such loops, one after the other or in a common one.
struct ReductionNest {
  std::vector<For> axes;
  BufferId sum;
  Expr initial;
  Block terms;              // loops around accumulations
  std::vector<For> reduce;  // those around the accumulation of most terms,
  Accumulate inner;         // which is this one
  double term_count = 0;    // of all, with a full group of samples
  std::size_t parts = 0;    // accumulations
  Block epilogue;
  Store store;  // the epilogue's first
};

/// Nothing where `stmt` is no such nest, or one whose results may not be computed several at once.
std::optional<ReductionNest> reduction_nest(const Program& program, const Stmt& stmt);

}  // namespace cnnc
