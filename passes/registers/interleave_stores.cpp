// interleave_stores:
//   for x in 0 .. 14 { image[y, x, 0] = even[x] }
//   for x in 0 .. 14 { image[y, x, 1] = max(odd[x], 0) }
//     ->
//   alloc row : f32[14] register
//   for x in 0 .. 14 { row[x] = max(odd[x], 0) }
//   vector i in 0 .. 16 { image.rows[y, i]      = select(i % 2 == 0, even[i / 2], row[i / 2]) }
//   vector i in 0 .. 12 { image.rows[y, 16 + i] = select((16 + i) % 2 == 0, ...) }
// where even and odd are registers. Which lanes come from where is known when code is generated.
#include "passes/registers/interleave_stores.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "passes/analysis/footprint.h"
#include "passes/analysis/row_nest.h"

namespace cnnc {

namespace {

/// A nest that stores a constant at that stride.
std::optional<RowNest> constant_nest(const Program& program, const Stmt& stmt,
                                     std::int64_t stride) {
  const Store* store = store_of_nest(stmt);
  if (!store || !store->value.as<Const>()) return std::nullopt;
  const Nest nest = nest_of(stmt);
  for (std::size_t i = 0; i < nest.loops.size(); ++i) {
    const auto found = by_stride(program, nest, *store, store->buffer, store->index, i);
    if (found && found->stride == stride) return RowNest{*found, 0};
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
      const auto group = first ? group_of(block, *first, i) : std::nullopt;
      if (group) i = put_together(block, *group);
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

  /// Nests of constants under a common loop become nests of their own, which can be stored with
  /// others, or row by row (collapse_rows.h).
  void distribute_constants(Block& block) const {
    Block result;
    for (const Stmt& stmt : block) {
      Block parts = distributed(program_, stmt);
      const bool constants = std::ranges::all_of(parts, [](const Stmt& part) {
        const Store* store = store_of_nest(part);
        return store && store->value.as<Const>();
      });
      if (!constants) parts = {stmt};
      result.insert(result.end(), parts.begin(), parts.end());
    }
    block = std::move(result);
  }

  /// The group that begins with `first`, statement `at`.
  std::optional<Group> group_of(const Block& block, RowNest first, std::size_t at) const {
    first.at = at;
    Group group{{first}, {}};
    if (!add(first, group)) return std::nullopt;
    // Adds statement `i`, or says whether the first nest's stores may pass it.
    const auto look_at = [&](std::size_t i) {
      auto other = constant_nest(program_, block[i], first.stride);
      if (!other && i > at) other = row_nest(program_, block[i], target_);
      if (!other || !add(*other, group)) return !in_the_way(block[i], first.store);
      other->at = i;
      group.nests.push_back(std::move(*other));
      return true;
    };
    for (std::size_t i = at + 1; i < block.size() && !group.complete() && look_at(i); ++i) continue;
    for (std::size_t i = at; i-- > 0 && !group.complete() && look_at(i);) continue;
    return group.complete() && may_move(block, group) ? std::optional(group) : std::nullopt;
  }

  /// Whether all nests may move to the place of the last one.
  bool may_move(const Block& block, const Group& group) const {
    const std::size_t last = std::ranges::max(group.nests, {}, &RowNest::at).at;
    return std::ranges::all_of(group.nests, [&](const RowNest& nest) {
      for (std::size_t i = nest.at + 1; i < last; ++i)
        if (std::ranges::find(group.nests, i, &RowNest::at) == group.nests.end() &&
            in_the_way(block[i], nest.store))
          return false;
      return true;
    });
  }

  /// Whether `stmt` accesses what `store` writes, or writes what it reads.
  bool in_the_way(const Stmt& stmt, const Store& store) const {
    const std::set<BufferId> reads = footprint(program_, {Stmt{store}}).reads;
    if (const auto* alloc = stmt.as<Alloc>()) return reads.contains(alloc->buffer);
    return std::ranges::any_of(accesses({stmt}), [&](const BufferAccess& access) {
      const bool apart = keeps_apart(program_, store, access.buffer, access.index);
      return !apart || (access.write && reads.contains(program_.storage(access.buffer)));
    });
  }

  /// Adds the values of `nest` to the group's; false where they do not fit.
  bool add(const RowNest& nest, Group& group) const {
    const RowNest& first = group.first();
    const auto names = same_loops(nest, first);
    if (!names || nest.store.buffer != first.store.buffer) return false;
    const std::vector<Expr> base = at_begin(first, first.store.index);
    const std::size_t row = row_dimension(first.store.index, first.lane.var);
    auto values = group.values;
    bool good = true;
    for_each_point(nest.between, [&](Substitution here) {
      here.insert(names->begin(), names->end());
      Substitution begin = here, counted = here;
      begin[nest.lane.var] = nest.lane.begin;
      counted[nest.lane.var] = nest.lane.begin + Expr(lane_);
      const auto place = elements_between(program_, first.store.buffer, row, base,
                                          substitute(nest.store.index, begin));
      good &= place && values.emplace(*place, substitute(nest.store.value, counted)).second;
    });
    if (!good || values.rbegin()->first - values.begin()->first >= first.stride) return false;
    group.values = std::move(values);
    return true;
  }

  /// Puts what stores the group's rows in the place of its last nest; returns where that is then.
  std::size_t put_together(Block& block, const Group& group) {
    std::vector<std::size_t> places;
    for (const RowNest& nest : group.nests) places.push_back(nest.at);
    std::ranges::sort(places);
    for (std::size_t i = places.size(); i-- > 0;)
      block.erase(block.begin() + static_cast<std::ptrdiff_t>(places[i]));
    const std::size_t last = places.back() - (places.size() - 1);
    const Block stores = stores_of(group);
    block.insert(block.begin() + static_cast<std::ptrdiff_t>(last), stores.begin(), stores.end());
    return last + stores.size() - 1;
  }

  Block stores_of(const Group& group) {
    const RowNest& first = group.first();
    const std::int64_t length = *extent(first.lane) * first.stride,
                       begin = group.values.begin()->first,
                       width = target_.lanes(first.store.value.type());
    Block result;
    std::vector<Expr> values;
    for (const auto& [place, value] : group.values)
      values.push_back(in_registers(value, first, result));
    const FlatRow row = flat_row(program_, first, first.store.buffer, first.store.index);
    for (std::int64_t done = 0; done < length; done += width)
      result.push_back(vector_loop(std::min(width, length - done), [&](const Expr& lane) {
        const Expr element = done + lane;
        std::vector<Expr> index = row.begin;
        index.back() = index.back() + begin + element;
        return Stmt{Store{row.view, index, value_at(values, element)}};
      }));
    return wrap_in_fresh(first.around, result);
  }

  /// `value` where it is a row of registers or a constant; otherwise the row of its own in which
  /// `block` puts it first.
  Expr in_registers(const Expr& value, const RowNest& first, Block& block) {
    if (value.as<Load>() || value.as<Const>()) return value;
    const BufferId row = add_registers(program_, "row", {value.type(), {*extent(first.lane)}});
    block.push_back({Alloc{row}});
    const Var lane = make_var("lane");
    const Block store{Stmt{Store{row, {Expr(lane)}, substitute(value, {{lane_, Expr(lane)}})}}};
    block.push_back({For{lane, 0, *extent(first.lane), LoopKind::serial, store}});
    return load(row, value.type(), {Expr(lane_)});
  }

  /// Of that element of the row.
  Expr value_at(const std::vector<Expr>& values, const Expr& element) const {
    const auto stride = std::ssize(values);
    const Substitution place{{lane_, element / stride}};
    const Expr last = substitute(values.back(), place);
    Expr result = last;
    for (std::int64_t phase = stride; phase-- > 0;) {
      const Expr value = substitute(values[static_cast<std::size_t>(phase)], place);
      if (!same(value, last)) result = select(equal(element % stride, phase), value, result);
    }
    return result;
  }

  Program& program_;
  const Target& target_;
  const Var lane_ = make_var("lane");  // counted from 0
};

}  // namespace

Program interleave_stores(const Program& program, const PassContext& context) {
  Program result = program;
  Interleaver interleaver(result, context.target);
  for (Kernel& kernel : result.kernels) interleaver.run(kernel.body);
  return result;
}

}  // namespace cnnc
