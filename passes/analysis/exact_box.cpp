#include "passes/analysis/exact_box.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// The values of `index`, where its variables count through all of them; `used`: loops of the
/// dimensions before.
std::optional<IntegerRange> exact_range(const Expr& index, const std::vector<For>& loops,
                                        std::vector<bool>& used) {
  struct Digit {
    std::int64_t stride, extent;
  };
  std::vector<Digit> digits;
  Substitution first;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    if (!depends_on(index, loops[i].var)) continue;
    const auto stride = stride_in(index, loops[i].var);
    if (used[i] || !is_plain(loops[i]) || !stride) return std::nullopt;
    used[i] = true;
    digits.push_back({*stride, *extent(loops[i])});
    first[loops[i].var] = loops[i].begin;
  }
  const auto low = substitute(index, first).constant();
  if (!low) return std::nullopt;
  std::ranges::sort(digits, {}, &Digit::stride);
  std::int64_t count = 1;
  for (const Digit& digit : digits) {
    if (digit.extent > 1 && digit.stride != count) return std::nullopt;
    count = saturating_product(count, digit.extent);
  }
  return IntegerRange{*low, *low + count - 1};
}

}  // namespace

std::optional<Box> exact_box(const std::vector<Expr>& index, const std::vector<For>& loops) {
  std::vector<bool> used(loops.size());
  Box box;
  for (const Expr& e : index) {
    const auto range = exact_range(e, loops, used);
    if (!range) return std::nullopt;
    box.push_back(*range);
  }
  // Those whose variables reach no element run at least once.
  const bool run = std::ranges::all_of(
      loops, [](const For& loop) { return is_plain(loop) && *extent(loop) > 0; });
  return run ? std::optional(std::move(box)) : std::nullopt;
}

bool fill(const std::vector<Box>& boxes, const Dims& dims) {
  double elements = 0, all = 1;
  for (const std::int64_t dim : dims) all *= static_cast<double>(dim);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    for (std::size_t d = 0; d < dims.size(); ++d)
      if (boxes[i][d].low < 0 || boxes[i][d].high >= dims[d]) return false;
    elements += volume(boxes[i]);
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(boxes[i], boxes[j])) return false;
  }
  return elements == all;
}

}  // namespace cnnc
