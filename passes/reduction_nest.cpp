#include "passes/reduction_nest.h"

#include <algorithm>

#include "passes/nest.h"

namespace cnnc {

namespace {

/// Whether the nest reads what it stores at the stored element only: a tile stores several at once.
bool reads_no_neighbour(const Program& program, const Nest& nest, const Store& store) {
  return std::ranges::all_of(accesses(nest.body), [&](const BufferAccess& access) {
    if (program.storage(access.buffer) != program.storage(store.buffer)) return true;
    return access.buffer == store.buffer && same_index(access.index, store.index);
  });
}

bool is_not_serial(const For& loop) { return loop.kind != LoopKind::serial; }

}  // namespace

std::optional<ReductionNest> reduction_nest(const Program& program, const Stmt& stmt) {
  Nest outer = nest_of(stmt);
  if (outer.body.size() < 4 || outer.loops.empty()) return std::nullopt;
  const auto* alloc = outer.body[0].as<Alloc>();
  const auto* initial = outer.body[1].as<Store>();
  if (!alloc || !initial || initial->buffer != alloc->buffer) return std::nullopt;
  const Block epilogue(outer.body.begin() + 3, outer.body.end());
  std::vector<const Store*> stores;
  for (const Stmt& each : epilogue) {
    const auto* store = each.as<Store>();
    if (store) stores.push_back(store);
    if (!store && !each.as<Let>()) return std::nullopt;
  }
  if (stores.empty()) return std::nullopt;
  if (!program.buffer(alloc->buffer).type.dims.empty()) return std::nullopt;
  Nest inner = nest_of(outer.body[2]);
  if (inner.body.size() != 1) return std::nullopt;
  const auto* accumulate = inner.body.front().as<Accumulate>();
  if (!accumulate || accumulate->buffer != alloc->buffer) return std::nullopt;
  for (const For& loop : outer.loops)
    if (is_not_serial(loop) || runs_over_groups(loop)) return std::nullopt;
  for (const Store* store : stores) {
    for (const For& loop : outer.loops)
      if (!separates(*store, loop, outer.loops)) return std::nullopt;
    if (!reads_no_neighbour(program, outer, *store)) return std::nullopt;
  }
  for (const auto* loops : {&inner.loops, &outer.loops})
    for (const For& loop : *loops)  // a bound that depends on an axis would differ within a tile
      for (const For& axis : outer.loops)
        if (depends_on(loop.begin, axis.var) || depends_on(loop.end, axis.var)) return std::nullopt;
  if (std::ranges::any_of(inner.loops, is_not_serial)) return std::nullopt;
  return ReductionNest{outer.loops, alloc->buffer, initial->value, inner.loops,
                       *accumulate, epilogue,      *stores.front()};
}

}  // namespace cnnc
