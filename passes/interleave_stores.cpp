// interleave_stores:
//   for x in 0 .. 14 { image[y, x, 0] = even[x] }
//   for x in 0 .. 14 { image[y, x, 1] = max(odd[x], 0) }
//     ->
//   for x in 0 .. 14 { odd[x] = max(odd[x], 0) }
//   vector i in 0 .. 16 { image.rows[y, i]      = select(i % 2 == 0, even[i / 2], odd[i / 2]) }
//   vector i in 0 .. 12 { image.rows[y, 16 + i] = select((16 + i) % 2 == 0, even[(16 + i) / 2], ... }
// where even and odd are registers. Which lanes come from where is known when code is generated.
#include "passes/interleave_stores.h"

#include <algorithm>
#include <map>
#include <utility>

#include "passes/footprint.h"
#include "passes/strided_nest.h"

namespace cnnc {

namespace {

/// A nest that stores rows of registers, or a constant.
struct RowNest : StridedNest {
  std::size_t at = 0;       // in its block
  std::optional<Load> row;  // along `lane`; nothing: the value is a constant
};

/// The value's load of a register row, with the loop along it; nothing where there is none, or
/// where the value depends on other registers, or on what is stored.
std::optional<std::pair<Load, std::size_t>> row_of(const Program& program, const Nest& nest,
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
    if (same(row->index.back(), Expr(nest.loops[i].var))) return std::pair{*row, i};
  return std::nullopt;
}

/// A nest that stores a row of registers, a vector, some elements apart, no more of them than lanes:
/// beyond, putting vectors together takes longer than storing lane by lane.
std::optional<RowNest> row_nest(const Program& program, const Stmt& stmt, const Target& target) {
  const Nest nest = nest_of(stmt);
  const Store* store = only_store(nest);
  if (!store || program.buffer(store->buffer).memory == Memory::reg) return std::nullopt;
  const auto row = row_of(program, nest, *store);
  if (!row) return std::nullopt;
  const auto found = by_stride(program, nest, *store, store->buffer, store->index, row->second);
  const ScalarType type = store->value.type();
  if (!found || found->stride < 2 ||
      found->stride > std::min(longest_stride(type), target.lanes(type)) ||
      *extent(found->lane) > target.lanes(type))
    return std::nullopt;
  return RowNest{*found, 0, row->first};
}

/// A nest that stores a constant at that stride.
std::optional<RowNest> constant_nest(const Program& program, const Stmt& stmt,
                                     std::int64_t stride) {
  const Nest nest = nest_of(stmt);
  const Store* store = only_store(nest);
  if (!store || !store->value.as<Const>()) return std::nullopt;
  for (std::size_t i = 0; i < nest.loops.size(); ++i) {
    const auto found = by_stride(program, nest, *store, store->buffer, store->index, i);
    if (found && found->stride == stride) return RowNest{*found, 0, {}};
  }
  return std::nullopt;
}

class Interleaver {
 public:
  Interleaver(Program& program, const Target& target) : program_(program), target_(target) {}

  void run(Block& block) {
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) run(loop->body);
    distribute_constants(block);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const auto first = row_nest(program_, block[i], target_);
      if (first) i = interleaved(block, *first, i);
    }
  }

 private:
  /// The nests that fill a row.
  struct Group {
    std::vector<RowNest> nests;
    /// Of the elements of one period, by how many elements they lie behind the first one of the
    /// first nest; in terms of `lane_`.
    std::map<std::int64_t, Expr> values;

    const RowNest& first() const { return nests.front(); }
    bool complete() const {
      return std::ssize(values) == first().stride &&
             values.rbegin()->first - values.begin()->first == first().stride - 1;
    }
  };

  /// for y { a constant nest; another one } as two nests, which can be stored with others.
  static void distribute_constants(Block& block) {
    Block result;
    for (Stmt& stmt : block) {
      const Nest nest = nest_of(stmt);
      const bool constants =
          nest.body.size() > 1 && std::ranges::all_of(nest.loops, is_plain) &&
          std::ranges::all_of(nest.body, [](const Stmt& part) {
            const Nest each = nest_of(part);
            const Store* store = only_store(each);
            return store && store->value.as<Const>() && std::ranges::all_of(each.loops, is_plain);
          });
      if (!constants) {
        result.push_back(std::move(stmt));
        continue;
      }
      for (const Stmt& part : nest.body) {
        const Block alone = wrap_in_fresh(nest.loops, {part});
        result.insert(result.end(), alone.begin(), alone.end());
      }
    }
    block = std::move(result);
  }

  /// Puts the stores of the group that begins with `first`, statement `at`, in the place of its
  /// last nest. Returns where that is now; `at` where there is no such group.
  std::size_t interleaved(Block& block, RowNest first, std::size_t at) {
    first.at = at;
    const auto group = group_of(block, first);
    if (!group) return at;
    Block stores;
    for (const RowNest& nest : group->nests)
      if (nest.row && !nest.store.value.as<Load>()) {
        std::vector<For> loops = nest.around;
        loops.insert(loops.end(), nest.between.begin(), nest.between.end());
        loops.push_back(nest.lane);
        const Block in_place =
            wrap(loops, {Stmt{Store{nest.row->buffer, nest.row->index, nest.store.value}}});
        stores.insert(stores.end(), in_place.begin(), in_place.end());
      }
    const Block rows = stores_of(*group);
    stores.insert(stores.end(), rows.begin(), rows.end());
    std::vector<std::size_t> places;
    for (const RowNest& nest : group->nests) places.push_back(nest.at);
    std::ranges::sort(places);
    const std::size_t last = places.back() - (places.size() - 1);
    for (std::size_t i = places.size(); i-- > 0;)
      block.erase(block.begin() + static_cast<std::ptrdiff_t>(places[i]));
    block.insert(block.begin() + static_cast<std::ptrdiff_t>(last), stores.begin(), stores.end());
    return last + stores.size() - 1;
  }

  std::optional<Group> group_of(const Block& block, const RowNest& first) const {
    Group group{{first}, {}};
    if (!add(first, group)) return std::nullopt;
    // What stands between a nest and where the group is stored must not touch what it stores.
    const auto look_at = [&](std::size_t i) {
      auto other = constant_nest(program_, block[i], first.stride);
      if (!other && i > first.at) other = row_nest(program_, block[i], target_);
      if (!other || !add(*other, group)) return !in_the_way(block[i], group);
      other->at = i;
      group.nests.push_back(std::move(*other));
      return true;
    };
    for (std::size_t i = first.at + 1; i < block.size() && !group.complete() && look_at(i); ++i)
      continue;
    for (std::size_t i = first.at; i-- > 0 && !group.complete() && look_at(i);) continue;
    return group.complete() ? std::optional(group) : std::nullopt;
  }

  /// Whether `stmt` accesses what the group stores, or writes what its values are made of.
  bool in_the_way(const Stmt& stmt, const Group& group) const {
    const BufferId stored = group.first().store.buffer;
    for (const BufferAccess& access : accesses({stmt}))
      for (const RowNest& nest : group.nests) {
        const bool meets = program_.storage(access.buffer) == program_.storage(stored) &&
                           !(access.buffer == stored && are_apart(access.index, nest.store.index));
        const Footprint own = footprint(program_, {Stmt{nest.store}});
        if (meets || (access.write && own.reads.contains(program_.storage(access.buffer))))
          return true;
      }
    return false;
  }

  /// Adds the values of `nest` to the group's; false where they do not fit.
  bool add(const RowNest& nest, Group& group) const {
    const RowNest& first = group.first();
    const auto names = same_loops(nest, first);
    if (!names || nest.store.buffer != first.store.buffer) return false;
    const std::vector<Expr> base = at_begin(first, first.store.index);
    auto values = group.values;
    bool good = true;
    for_each_point(nest.between, [&](Substitution here) {
      here.insert(names->begin(), names->end());
      Substitution begin = here, counted = here;
      begin[nest.lane.var] = nest.lane.begin;
      counted[nest.lane.var] = nest.lane.begin + Expr(lane_);
      const auto place = elements_between(program_, first.store.buffer, base,
                                          substitute(nest.store.index, begin));
      const Expr value = nest.row ? load(nest.row->buffer, nest.store.value.type(),
                                         substitute(nest.row->index, counted))
                                  : nest.store.value;
      good &= place && values.emplace(*place, value).second;
    });
    if (!good || values.rbegin()->first - values.begin()->first >= first.stride) return false;
    group.values = std::move(values);
    return true;
  }

  Block stores_of(const Group& group) {
    const RowNest& first = group.first();
    const FlatRow row = flat_row(program_, first.store.buffer, first.store.index,
                                 at_begin(first, first.store.index), first.lane.var);
    const std::int64_t length = *extent(first.lane) * first.stride,
                       width = target_.lanes(first.store.value.type());
    Block result;
    for (std::int64_t done = 0; done < length; done += width) {
      const Var lane = make_var("lane");
      const Expr element = done + Expr(lane);
      std::vector<Expr> index = row.index;
      index.back() = index.back() + group.values.begin()->first + element;
      result.push_back({For{lane,
                            0,
                            std::min(width, length - done),
                            LoopKind::vector,
                            {Stmt{Store{row.view, index, value_at(group, element)}}}}});
    }
    return wrap_in_fresh(first.around, result);
  }

  /// Of that element of the row.
  Expr value_at(const Group& group, const Expr& element) const {
    const std::int64_t stride = group.first().stride;
    const Substitution place{{lane_, element / stride}};
    const Expr last = substitute(group.values.rbegin()->second, place);
    Expr result = last;
    std::int64_t phase = stride;
    for (auto at = group.values.rbegin(); at != group.values.rend(); ++at) {
      --phase;
      const Expr value = substitute(at->second, place);
      if (!same(value, last)) result = select(equal(element % stride, phase), value, result);
    }
    return result;
  }

  Program& program_;
  const Target& target_;
  const Var lane_ = make_var("lane");  // counted from 0
};

}  // namespace

bool stores_apart(const Program& program, const Block& block, BufferId buffer,
                  const Target& target) {
  return std::ranges::any_of(block, [&](const Stmt& stmt) {
    const auto nest = row_nest(program, stmt, target);
    if (nest && program.storage(nest->store.buffer) == buffer) return true;
    const auto* loop = stmt.as<For>();
    return loop && stores_apart(program, loop->body, buffer, target);
  });
}

Program interleave_stores(const Program& program, const Target& target) {
  Program result = program;
  Interleaver interleaver(result, target);
  for (Kernel& kernel : result.kernels) interleaver.run(kernel.body);
  return result;
}

}  // namespace cnnc
