#include "passes/strided_nest.h"

#include <algorithm>

namespace cnnc {

const Store* only_store(const Nest& nest) {
  return nest.body.size() == 1 ? nest.body.front().as<Store>() : nullptr;
}

namespace {

/// The last dimension along which `lane` steps: there a row begins that goes on to the last one.
std::size_t row_dimension(const std::vector<Expr>& index, const Var& lane) {
  std::size_t row = index.size() - 1;
  while (row > 0 && !depends_on(index[row], lane)) --row;
  return row;
}

}  // namespace

std::optional<StridedNest> by_stride(const Program& program, const Nest& nest, const Store& store,
                                     BufferId buffer, const std::vector<Expr>& index,
                                     std::size_t lane) {
  const auto stride = memory_stride(program, buffer, index, nest.loops[lane].var);
  if (!stride || *stride < 1) return std::nullopt;
  StridedNest result{{}, {}, nest.loops[lane], *stride, store};
  const std::span<const Expr> in_row =
      std::span(index).subspan(row_dimension(index, result.lane.var));
  for (std::size_t i = 0; i < nest.loops.size(); ++i) {
    const For& loop = nest.loops[i];
    const auto step = memory_stride(program, buffer, index, loop.var);
    if (!step || *step < 1 || !is_plain(loop) || *extent(loop) < 1 ||
        !separates(store, loop, nest.loops))
      return std::nullopt;
    if (i == lane) continue;
    const bool moves_row = std::ranges::none_of(
        in_row, [&](const Expr& e) { return depends_on(e, loop.var); });
    if (!moves_row && *step * (*extent(loop) - 1) >= *stride) return std::nullopt;
    (moves_row ? result.around : result.between).push_back(loop);
  }
  return result;
}

void for_each_point(std::span<const For> loops,
                    const std::function<void(const Substitution&)>& visit) {
  if (loops.empty()) return visit({});
  const For& loop = loops.front();
  for (std::int64_t i = *loop.begin.constant(); i < *loop.end.constant(); ++i)
    for_each_point(loops.subspan(1), [&](Substitution point) {
      point[loop.var] = i;
      visit(point);
    });
}

std::vector<Expr> at_begin(const StridedNest& nest, const std::vector<Expr>& index) {
  Substitution begin{{nest.lane.var, nest.lane.begin}};
  for (const For& loop : nest.between) begin[loop.var] = loop.begin;
  return substitute(index, begin);
}

std::optional<Substitution> same_loops(const StridedNest& nest, const StridedNest& first) {
  if (*extent(nest.lane) != *extent(first.lane) || nest.stride != first.stride ||
      nest.around.size() != first.around.size())
    return std::nullopt;
  Substitution names;
  for (std::size_t i = 0; i < nest.around.size(); ++i) {
    const For &mine = nest.around[i], &theirs = first.around[i];
    if (!same(mine.begin, theirs.begin) || !same(mine.end, theirs.end)) return std::nullopt;
    names[mine.var] = Expr(theirs.var);
  }
  return names;
}

std::optional<std::int64_t> elements_between(const Program& program, BufferId buffer,
                                             const std::vector<Expr>& from,
                                             const std::vector<Expr>& to) {
  const Dims& dims = program.buffer(buffer).type.dims;
  std::int64_t scale = 1, total = 0;
  for (std::size_t i = dims.size(); i-- > 0; scale *= dims[i]) {
    if (same(to[i], from[i])) continue;
    if (!to[i].constant() || !from[i].constant()) return std::nullopt;
    total += (*to[i].constant() - *from[i].constant()) * scale;
  }
  return total;
}

FlatRow flat_row(Program& program, BufferId buffer, const std::vector<Expr>& index,
                 const std::vector<Expr>& begin, const Var& lane) {
  const Dims dims = program.buffer(buffer).type.dims;
  const std::size_t row = row_dimension(index, lane);
  FlatRow result{flat_view(program, buffer, row), begin};
  result.index.resize(row + 1);
  Expr flat = 0;
  std::int64_t scale = 1;
  for (std::size_t i = dims.size(); i-- > row; scale *= dims[i]) flat = flat + begin[i] * scale;
  result.index.back() = flat;
  return result;
}

}  // namespace cnnc
