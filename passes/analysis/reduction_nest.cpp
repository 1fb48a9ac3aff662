#include "passes/analysis/reduction_nest.h"

#include <algorithm>

#include "passes/analysis/nest.h"

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

/// Reads the loops around accumulations to `sum`.
class Terms {
 public:
  Terms(const Program& program, BufferId sum) : program_(program), sum_(sum) {}

  /// Whether `block` consists of nothing else.
  bool add(const Block& block) {
    return std::ranges::all_of(block, [&](const Stmt& stmt) { return add(stmt); });
  }

  std::vector<For> all_loops, longest_loops;
  std::optional<Accumulate> longest;
  double count = 0;
  std::size_t parts = 0;

 private:
  bool add(const Stmt& stmt) {
    if (const auto* loop = stmt.as<For>()) {
      all_loops.push_back(with_body(*loop, {}));
      around_.push_back(all_loops.back());
      const bool good = add(loop->body);
      around_.pop_back();
      return good;
    }
    const auto* accumulate = stmt.as<Accumulate>();
    if (!accumulate || accumulate->buffer != sum_ || (longest && longest->op != accumulate->op))
      return false;
    double terms = 1;
    for (const For& loop : around_) terms *= static_cast<double>(assumed_extent(program_, loop));
    if (!longest || terms > most_) {
      most_ = terms;
      longest = *accumulate;
      longest_loops = around_;
    }
    count += terms;
    ++parts;
    return true;
  }

  const Program& program_;
  BufferId sum_;
  std::vector<For> around_;
  double most_ = 0;
};

}  // namespace

std::optional<ReductionNest> reduction_nest(const Program& program, const Stmt& stmt) {
  Nest outer = nest_of(stmt);
  if (outer.body.size() < 4 || outer.loops.empty()) return std::nullopt;
  const auto* alloc = outer.body[0].as<Alloc>();
  const auto* initial = outer.body[1].as<Store>();
  if (!alloc || !initial || initial->buffer != alloc->buffer) return std::nullopt;
  const auto after = std::find_if(outer.body.begin() + 2, outer.body.end(), [](const Stmt& each) {
    return !each.as<For>() && !each.as<Accumulate>();
  });
  const Block terms(outer.body.begin() + 2, after), epilogue(after, outer.body.end());
  std::vector<const Store*> stores;
  for (const Stmt& each : epilogue) {
    const auto* store = each.as<Store>();
    if (store) stores.push_back(store);
    if (!store && !each.as<Let>()) return std::nullopt;
  }
  if (stores.empty()) return std::nullopt;
  if (!program.buffer(alloc->buffer).type.dims.empty()) return std::nullopt;
  Terms read(program, alloc->buffer);
  if (!read.add(terms) || !read.longest) return std::nullopt;
  for (const For& loop : outer.loops)
    if (is_not_serial(loop) || loop.axis == BatchAxis::groups) return std::nullopt;
  for (const Store* store : stores) {
    for (const For& loop : outer.loops)
      if (!separates(*store, loop, outer.loops)) return std::nullopt;
    if (!reads_no_neighbour(program, outer, *store)) return std::nullopt;
  }
  for (const auto* loops : {&read.all_loops, &outer.loops})
    for (const For& loop : *loops)  // a bound that depends on an axis would differ within a tile
      for (const For& axis : outer.loops)
        if (depends_on(loop.begin, axis.var) || depends_on(loop.end, axis.var)) return std::nullopt;
  if (std::ranges::any_of(read.all_loops, is_not_serial)) return std::nullopt;
  return ReductionNest{.axes = outer.loops,
                       .sum = alloc->buffer,
                       .initial = initial->value,
                       .terms = terms,
                       .reduce = read.longest_loops,
                       .inner = *read.longest,
                       .term_count = read.count,
                       .parts = read.parts,
                       .epilogue = epilogue,
                       .store = *stores.front()};
}

}  // namespace cnnc
