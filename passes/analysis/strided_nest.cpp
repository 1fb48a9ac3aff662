#include "passes/analysis/strided_nest.h"

#include <algorithm>

namespace cnnc {

namespace {

bool loads(const std::vector<Expr>& index) {
  bool found = false;
  for (const Expr& each : index)
    walk(each, [&](const Expr& e) { found |= e.as<Load>() != nullptr; });
  return found;
}

}  // namespace

std::size_t row_dimension(const std::vector<Expr>& index, const Var& lane) {
  std::size_t row = index.size() - 1;
  while (row > 0 && !depends_on(index[row], lane)) --row;
  return row;
}

std::optional<StridedNest> by_stride(const Program& program, const Nest& nest, const Store& store,
                                     BufferId buffer, const std::vector<Expr>& index,
                                     std::size_t lane) {
  const Var& var = nest.loops[lane].var;
  const auto stride = memory_stride(program, buffer, index, var);
  if (!stride || *stride < 1 || !can_be_viewed(program.buffer(buffer).memory) || loads(index) ||
      loads(store.index))
    return std::nullopt;
  const auto row = index.begin() + static_cast<std::ptrdiff_t>(row_dimension(index, var));
  if (std::any_of(index.begin(), row, [&](const Expr& e) { return depends_on(e, var); }))
    return std::nullopt;
  StridedNest result{{}, {}, nest.loops[lane], *stride, store};
  std::int64_t points = 1;
  for (std::size_t i = 0; i < nest.loops.size(); ++i) {
    const For& loop = nest.loops[i];
    const auto step = memory_stride(program, buffer, index, loop.var);
    if (!step || *step < 1 || !is_plain(loop) || *extent(loop) < 1 ||
        *extent(loop) > kMaxElements || !separates(store, loop, nest.loops))
      return std::nullopt;
    if (i == lane) continue;
    const bool moves_row =
        std::none_of(row, index.end(), [&](const Expr& e) { return depends_on(e, loop.var); });
    if (!moves_row && (*extent(loop) > *stride || (points *= *extent(loop)) > *stride))
      return std::nullopt;
    (moves_row ? result.around : result.between).push_back(loop);
  }
  return result;
}

bool may_shuffle(std::int64_t stride, ScalarType type, const Target& target) {
  return stride >= 2 && stride <= std::min(longest_stride(type), target.lanes(type));
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

FlatRow flat_row(Program& program, const StridedNest& nest, BufferId buffer,
                 const std::vector<Expr>& index) {
  const Dims dims = program.buffer(buffer).type.dims;
  const std::size_t row = row_dimension(index, nest.lane.var);
  FlatRow result{flat_view(program, buffer, row), at_begin(nest, index)};
  Expr flat = 0;
  std::int64_t scale = 1;
  for (std::size_t i = dims.size(); i-- > row; scale *= dims[i])
    flat = flat + result.begin[i] * scale;
  result.begin.resize(row + 1);
  result.begin.back() = flat;
  return result;
}

Stmt vector_loop(std::int64_t lanes, const std::function<Stmt(const Expr& lane)>& make) {
  const Var lane = make_var("lane");
  return {For{lane, 0, lanes, LoopKind::vector, {make(lane)}}};
}

std::optional<std::int64_t> elements_between(const Program& program, BufferId buffer,
                                             std::size_t row, const std::vector<Expr>& from,
                                             const std::vector<Expr>& to) {
  const Dims& dims = program.buffer(buffer).type.dims;
  std::int64_t scale = 1, total = 0;
  for (std::size_t i = dims.size(); i-- > 0; scale *= dims[i]) {
    if (same(to[i], from[i])) continue;
    if (i < row || !to[i].constant() || !from[i].constant()) return std::nullopt;
    total += (*to[i].constant() - *from[i].constant()) * scale;
  }
  return total;
}

bool keeps_apart(const Program& program, const Store& store, BufferId buffer,
                 const std::vector<Expr>& index) {
  return program.storage(store.buffer) != program.storage(buffer) ||
         (store.buffer == buffer && are_apart(store.index, index));
}

Block distributed(const Program& program, const Stmt& stmt) {
  const auto* outer = stmt.as<For>();
  if (!outer || !is_plain(*outer)) return {stmt};
  const Nest nest = nest_of(stmt);
  if (nest.body.size() < 2 || !std::ranges::all_of(nest.loops, is_plain)) return {stmt};
  std::vector<Store> stores;
  for (const Stmt& part : nest.body) {
    const Store* store = store_of_nest(part);
    if (!store || !std::ranges::all_of(nest_of(part).loops, is_plain)) return {stmt};
    stores.push_back(*store);
  }
  Block result;
  for (std::size_t i = 0; i < stores.size(); ++i) {
    for (const BufferAccess& access : accesses({Stmt{stores[i]}}))
      for (std::size_t k = 0; k < stores.size(); ++k) {
        const bool meets =
            access.write ? k < i && !keeps_apart(program, stores[k], access.buffer, access.index)
                         : program.storage(access.buffer) == program.storage(stores[k].buffer);
        if (meets) return {stmt};
      }
    const Block alone = wrap_in_fresh(nest.loops, {nest.body[i]});
    result.insert(result.end(), alone.begin(), alone.end());
  }
  return result;
}

}  // namespace cnnc
