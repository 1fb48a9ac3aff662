// deinterleave_loads:
//   for x in 0 .. 14 { even[x] = image[y, x * 2] }
//   for x in 0 .. 14 { odd[x]  = image[y, x * 2 + 1] }
//     ->
//   alloc row : f32[2,16] register
//   vector i in 0 .. 16 { row[0, i] = image[y, i] }
//   vector i in 0 .. 16 { row[1, i] = image[y, 12 + i] }
//   vector x in 0 .. 14 { even[x] = select(x * 2 / 16 == 0, row[0, x * 2 % 16], row[1, ... ]) }
//   vector x in 0 .. 14 { odd[x]  = select((x * 2 + 1) / 16 == 0, row[0, (x * 2 + 1) % 16], ... ) }
// The last vector ends where the row does. Which lanes come from where is known when code is
// generated.
#include "passes/registers/deinterleave_loads.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "passes/analysis/strided_nest.h"

namespace cnnc {

namespace {

/// A nest that copies to neighbours along `lane` what lies `stride` elements apart.
struct CopyNest : StridedNest {
  Load from;
};

std::optional<CopyNest> copy_nest(const Program& program, const Stmt& stmt, const Target& target) {
  const Store* store = store_of_nest(stmt);
  const Load* from = store ? store->value.as<Load>() : nullptr;
  if (!from || program.buffer(store->buffer).memory == Memory::reg ||
      program.storage(store->buffer) == program.storage(from->buffer))
    return std::nullopt;
  const Nest nest = nest_of(stmt);
  for (std::size_t i = 0; i < nest.loops.size(); ++i) {
    if (memory_stride(program, store->buffer, store->index, nest.loops[i].var) != 1) continue;
    const auto found = by_stride(program, nest, *store, from->buffer, from->index, i);
    if (found && may_shuffle(found->stride, store->value.type(), target))
      return CopyNest{*found, *from};
  }
  return std::nullopt;
}

class Sharer {
 public:
  Sharer(Program& program, const Target& target) : program_(program), target_(target) {}

  Block run(const Block& block) {
    Block result;
    for (std::size_t i = 0; i < block.size();) {
      std::vector<Copied> group = group_at(block, i);
      std::size_t next = group.empty() ? i + 1 : group.back().at + 1;
      if (group.size() < 2) {
        const Block parts = distributed(program_, block[i]);
        group = group_at(parts, 0);
        if (!group.empty() && group.back().at + 1 < parts.size()) group.clear();
        next = i + 1;
      }
      if (group.size() > 1) {
        const Block copies = copies_of(group);
        result.insert(result.end(), copies.begin(), copies.end());
      } else if (const auto* loop = block[i].as<For>()) {
        For copy = *loop;
        copy.body = run(loop->body);
        result.push_back({std::move(copy)});
      } else {
        result.push_back(block[i]);
      }
      i = next;
    }
    return result;
  }

 private:
  /// One iteration of a nest's loops `between`.
  struct Copied {
    std::size_t at = 0;      // the nest, in its block
    CopyNest nest;           // with the variables of the first nest's loops around
    std::int64_t begin = 0;  // elements behind where the first one begins
  };

  /// What nests from statement `first` on read of the same rows.
  std::vector<Copied> group_at(const Block& block, std::size_t first) const {
    std::vector<Copied> group;
    const auto begin = copy_nest(program_, block[first], target_);
    if (!begin) return group;
    const std::vector<Expr> base = at_begin(*begin, begin->from.index);
    const std::size_t row = row_dimension(begin->from.index, begin->lane.var);
    std::vector<Store> stores;
    for (std::size_t i = first; i < block.size(); ++i) {
      const auto nest = copy_nest(program_, block[i], target_);
      const auto names = nest ? same_loops(*nest, *begin) : std::nullopt;
      if (!names || nest->from.buffer != begin->from.buffer) break;
      // Around all of them goes one loop: what was stored later may then come before.
      const bool in_order =
          nest->around.empty() || std::ranges::all_of(stores, [&](const Store& s) {
            return keeps_apart(program_, s, nest->store.buffer, nest->store.index);
          });
      const bool reads_stored = std::ranges::any_of(stores, [&](const Store& s) {
        return program_.storage(s.buffer) == program_.storage(nest->from.buffer);
      });
      if (!in_order || reads_stored) break;
      stores.push_back(nest->store);
      std::vector<Copied> all = group;
      bool good = true;
      for_each_point(nest->between, [&](Substitution here) {
        here.insert(names->begin(), names->end());
        CopyNest copy = *nest;
        copy.around = begin->around;
        copy.between.clear();
        copy.store.index = substitute(copy.store.index, here);
        copy.from.index = substitute(copy.from.index, here);
        const auto place = elements_between(program_, copy.from.buffer, row, base,
                                            at_begin(copy, copy.from.index));
        good &= place && std::abs(*place) < copy.stride;
        if (good) all.push_back({i, std::move(copy), *place});
      });
      if (!good || vectors_of(all) > target_.registers / 2) break;
      group = std::move(all);
    }
    return group;
  }

  static std::int64_t begin_of(const std::vector<Copied>& group) {
    return std::ranges::min(group, {}, &Copied::begin).begin;
  }

  /// Elements of the row.
  static std::int64_t length_of(const std::vector<Copied>& group) {
    const CopyNest& first = group.front().nest;
    return (*extent(first.lane) - 1) * first.stride + 1 +
           std::ranges::max(group, {}, &Copied::begin).begin - begin_of(group);
  }

  std::int64_t vectors_of(const std::vector<Copied>& group) const {
    const std::int64_t lanes = target_.lanes(group.front().nest.store.value.type());
    return (length_of(group) + lanes - 1) / lanes;
  }

  Block copies_of(const std::vector<Copied>& group) {
    const CopyNest& first = group.front().nest;
    const ScalarType type = first.store.value.type();
    const std::int64_t begin = begin_of(group), length = length_of(group),
                       lanes = target_.lanes(type);
    const FlatRow from = flat_row(program_, first, first.from.buffer, first.from.index);
    const BufferId row = add_registers(program_, "row", {type, {vectors_of(group), lanes}});
    Block body{{Alloc{row}}};
    for (std::int64_t v = 0; v * lanes < length; ++v)
      body.push_back(vector_loop(std::min(lanes, length), [&](const Expr& lane) {
        std::vector<Expr> index = from.begin;
        index.back() = index.back() + (begin + begin_of_vector(v, lanes, length)) + lane;
        return Stmt{Store{row, {v, lane}, load(from.view, type, index)}};
      }));
    for (const Copied& copied : group) {
      const CopyNest& nest = copied.nest;
      for (std::int64_t done = 0; done < *extent(nest.lane); done += lanes) {
        const std::int64_t count = std::min(lanes, *extent(nest.lane) - done);
        body.push_back(vector_loop(count, [&](const Expr& lane) {
          const Substitution here{{nest.lane.var, nest.lane.begin + done + lane}};
          return Stmt{Store{
              nest.store.buffer, substitute(nest.store.index, here),
              elements(row, type, length, (done + lane) * nest.stride + (copied.begin - begin),
                       done * nest.stride + copied.begin - begin,
                       (done + count - 1) * nest.stride + copied.begin - begin)}};
        }));
      }
    }
    return wrap_in_fresh(first.around, body);
  }

  /// The element of a row with which its vector `v` begins.
  static std::int64_t begin_of_vector(std::int64_t v, std::int64_t lanes, std::int64_t length) {
    return std::max<std::int64_t>(std::min(v * lanes, length - lanes), 0);
  }

  /// Element `at` of the row, which is one of `from` .. `to`, both included.
  Expr elements(BufferId row, ScalarType type, std::int64_t length, const Expr& at,
                std::int64_t from, std::int64_t to) const {
    const std::int64_t lanes = target_.lanes(type);
    const auto in_vector = [&](std::int64_t v) {
      // Of elements in other vectors, some lane or other.
      const std::int64_t begin = begin_of_vector(v, lanes, length) % lanes;
      return load(row, type, {v, (at + (lanes - begin) % lanes) % lanes});
    };
    Expr result = in_vector(to / lanes);
    for (std::int64_t v = to / lanes; v-- > from / lanes;)
      result = select(equal(at / lanes, v), in_vector(v), result);
    return result;
  }

  Program& program_;
  const Target& target_;
};

}  // namespace

Program deinterleave_loads(const Program& program, const PassContext& context) {
  Program result = program;
  Sharer sharer(result, context.target);
  for (Kernel& kernel : result.kernels) kernel.body = sharer.run(kernel.body);
  return result;
}

}  // namespace cnnc
