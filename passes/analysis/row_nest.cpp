#include "passes/analysis/row_nest.h"

#include <algorithm>

namespace cnnc {

namespace {

/// The loop along the register row that the value is made of; nothing where there is none, or where
/// the value depends on other registers, or on what is stored.
std::optional<std::size_t> loop_along_row(const Program& program, const Nest& nest,
                                          const Store& store) {
  std::optional<Load> row;
  bool good = true;
  walk(store.value, [&](const Expr& e) {
    const auto* l = e.as<Load>();
    if (!l) return;
    good &= program.storage(l->buffer) != program.storage(store.buffer);
    if (program.buffer(l->buffer).memory != Memory::reg) return;
    good &= !row || (row->buffer == l->buffer && same_index(row->index, l->index));
    row = *l;
  });
  if (!good || !row || row->index.empty() ||
      program.buffer(row->buffer).type.scalar != store.value.type())
    return std::nullopt;
  for (std::size_t i = 0; i < nest.loops.size(); ++i)
    if (same(row->index.back(), Expr(nest.loops[i].var))) {
      const std::int64_t width = program.buffer(row->buffer).type.dims.back();
      const bool inside = is_plain(nest.loops[i]) && 0 <= *nest.loops[i].begin.constant() &&
                          *nest.loops[i].end.constant() <= width;
      return inside ? std::optional(i) : std::nullopt;
    }
  return std::nullopt;
}

}  // namespace

std::optional<RowNest> row_nest(const Program& program, const Stmt& stmt, const Target& target) {
  const Store* store = store_of_nest(stmt);
  if (!store) return std::nullopt;
  const Nest nest = nest_of(stmt);
  const auto lane = loop_along_row(program, nest, *store);
  if (!lane) return std::nullopt;
  const auto found = by_stride(program, nest, *store, store->buffer, store->index, *lane);
  const ScalarType type = store->value.type();
  if (!found || !may_shuffle(found->stride, type, target) ||
      *extent(found->lane) > target.lanes(type))
    return std::nullopt;
  return RowNest{*found, 0};
}

bool stores_apart(const Program& program, const Stmt& stmt, BufferId buffer, const Target& target) {
  const auto nest = row_nest(program, stmt, target);
  if (nest && program.storage(nest->store.buffer) == buffer) return true;
  const auto* loop = stmt.as<For>();
  return loop && std::ranges::any_of(loop->body, [&](const Stmt& inner) {
           return stores_apart(program, inner, buffer, target);
         });
}

}  // namespace cnnc
