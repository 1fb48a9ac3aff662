// What is known of indices inside a loop: where in memory one of its iterations can reach.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// scale * var + r with low <= r <= high, for the variable of one loop. Unknown: scale 0, no ends.
struct LinearRange {
  static constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max() / 4;

  std::int64_t scale = 0;
  std::int64_t low = -kNoEnd, high = kNoEnd;

  bool operator==(const LinearRange&) const = default;
  /// k where the value lies in scale * (var + k) .. scale * (var + k + 1): iterations then have
  /// values of their own. Nothing where it may lie in two such windows, or the scale is not
  /// positive.
  std::optional<std::int64_t> window() const;
};

using LinearRanges = std::unordered_map<Var, LinearRange>;
/// The range of an integer expression, from those of its variables (unknown where absent).
LinearRange range_of(const Expr& expr, const LinearRanges& variables);

/// An access inside a loop, with the range of each of its indices.
struct RangedAccess {
  BufferId buffer = 0;
  bool write = false;
  std::vector<LinearRange> index;
};
/// Every access in the body of `loop`, as BufferAccess (passes/analysis/nest.h); scales are those
/// of its variable.
std::vector<RangedAccess> ranged_accesses(const For& loop);

}  // namespace cnnc
