// Between which values an integer expression stays, from what its variables may be.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// Both ends included.
struct IntegerRange {
  std::int64_t low = 0, high = 0;

  bool single() const { return low == high; }
  bool operator==(const IntegerRange&) const = default;
};

struct RangeContext {
  const Program* program = nullptr;
  std::optional<std::int64_t> count = {};  // rows of the batch in this call, where they are known
  std::unordered_map<Var, IntegerRange> variables;
};

/// The range of `expr`, by interval arithmetic: never too narrow, exact where every variable is a
/// single value and nothing but `count` is loaded. Nothing where it depends on data or overflows.
std::optional<IntegerRange> range_of(const Expr& expr, const RangeContext& context);

/// One range a dimension.
using Box = std::vector<IntegerRange>;

/// The elements that `index` reaches; nothing where one of its ranges is not known.
std::optional<Box> box_of(const std::vector<Expr>& index, const RangeContext& context);

/// Whether the boxes, of one rank, have an element in common.
bool overlap(const Box& a, const Box& b);
/// Elements of a box.
double volume(const Box& box);

/// `expr` with what the ranges decide in the place of comparisons, clamps and choices.
Expr simplified(const Expr& expr, const RangeContext& ranges);

/// The ranges of the variables of loops in `block`, as far as they are constant: of all loops over
/// one, where copies of a loop share it.
RangeContext constant_ranges(const Program& program, const Block& block);

}  // namespace cnnc
