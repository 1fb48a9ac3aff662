// merge_rows:
//   for y in 0 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 0 .. 13 { for x { image[2*y, 2*x + 1] = b[y, x] } }
//     ->
//   for y in 0 .. 13  { for x { image[2*y, 2*x]     = a[y, x] }
//                       for x { image[2*y, 2*x + 1] = b[y, x] } }
//   for y in 13 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
#include "passes/merge_rows.h"

#include <algorithm>
#include <optional>
#include <set>

#include "ir/integer_range.h"
#include "passes/interleave_stores.h"
#include "passes/nest.h"

namespace cnnc {

namespace {

/// Of a loop that is_plain.
IntegerRange rows_of(const For& loop) {
  return {*loop.begin.constant(), *loop.begin.constant() + *extent(loop) - 1};
}

For part_of(const For& loop, std::int64_t begin, std::int64_t end) {
  const Var var = make_var(loop.var->name);
  return {var, begin, end, loop.kind, substitute(loop.body, {{loop.var, Expr(var)}})};
}

/// The loop over the other rows.
Block all_but(const For& loop, const IntegerRange& rows) {
  const IntegerRange all = rows_of(loop);
  Block result;
  if (all.low < rows.low) result.push_back({part_of(loop, all.low, rows.low)});
  if (rows.high < all.high) result.push_back({part_of(loop, rows.high + 1, all.high + 1)});
  return result;
}

/// What two loops over rows do.
struct Pair {
  const For &first, &second;
  std::vector<BufferAccess> one, other;
  IntegerRange rows;          // of both
  std::set<BufferId> images;  // storages that both touch and one writes
};

class RowMerger {
 public:
  RowMerger(const Program& program, const Target& target, const RowsPay& pays)
      : program_(program), target_(target), pays_(pays) {}

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) merge(kernel.body);
    return result;
  }

 private:
  void merge(Block& block) const {
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) merge(loop->body);
    for (std::size_t i = 0; i < block.size(); ++i)
      for (std::size_t j = i + 1; j < block.size();) {
        const bool good = may_merge(block[i], block[j]) && may_pass(block, i + 1, j);
        j = good ? merged(block, i, j) : j + 1;
      }
  }

  /// Whether statement `at` may come ahead of those from `begin` on.
  bool may_pass(const Block& block, std::size_t begin, std::size_t at) const {
    for (std::size_t i = begin; i < at; ++i) {
      const auto pair = pair_of(block[i], block[at]);
      if (!pair) return false;
      const bool rows_apart = pair->rows.high < pair->rows.low && go_by_bands(*pair);
      if (!pair->images.empty() && !rows_apart) return false;
    }
    return true;
  }

  /// Makes one loop of statements `i` and `j`; what is left of each follows it. Where to go on.
  static std::size_t merged(Block& block, std::size_t i, std::size_t j) {
    const For first = *block[i].as<For>(), second = *block[j].as<For>();
    const IntegerRange rows{std::max(rows_of(first).low, rows_of(second).low),
                            std::min(rows_of(first).high, rows_of(second).high)};
    For both = part_of(first, rows.low, rows.high + 1);
    const Block more = substitute(second.body, {{second.var, Expr(both.var)}});
    both.body.insert(both.body.end(), more.begin(), more.end());
    Block rest = all_but(first, rows);
    const std::size_t next = j + rest.size();
    std::ranges::move(all_but(second, rows), std::back_inserter(rest));
    const auto at = [&](std::size_t k) { return block.begin() + static_cast<std::ptrdiff_t>(k); };
    block[i] = {std::move(both)};
    block.erase(at(j));
    block.insert(at(j), rest.begin(), rest.end());
    return next;
  }

  std::optional<Pair> pair_of(const Stmt& a, const Stmt& b) const {
    const auto *first = a.as<For>(), *second = b.as<For>();
    if (!first || !second || !is_plain(*first) || !is_plain(*second)) return std::nullopt;
    Pair pair{*first, *second, accesses({a}), accesses({b}), {}, {}};
    pair.rows = {std::max(rows_of(*first).low, rows_of(*second).low),
                 std::min(rows_of(*first).high, rows_of(*second).high)};
    std::set<BufferId> written;
    for (const auto* all : {&pair.one, &pair.other})
      for (const BufferAccess& access : *all)
        if (access.write) written.insert(program_.storage(access.buffer));
    for (const BufferAccess& access : pair.other)
      for (const BufferAccess& before : pair.one)
        if (program_.storage(access.buffer) == program_.storage(before.buffer) &&
            written.contains(program_.storage(access.buffer)))
          pair.images.insert(program_.storage(access.buffer));
    return pair;
  }

  bool may_merge(const Stmt& a, const Stmt& b) const {
    const auto pair = pair_of(a, b);
    return pair && pair->rows.low < pair->rows.high &&
           std::ranges::any_of(
               pair->images, [&](BufferId id) { return pays_(a, b, id); }) &&
           keeps_little(pair->first, pair->one) && keeps_little(pair->second, pair->other) &&
           go_by_bands(*pair);
  }

  /// Whether what is read in every iteration leaves most of the cache to the others.
  bool keeps_little(const For& loop, const std::vector<BufferAccess>& all) const {
    std::set<BufferId> kept;
    for (const BufferAccess& access : all)
      if (!access.write && program_.buffer(access.buffer).memory != Memory::reg &&
          std::ranges::none_of(access.index,
                               [&](const Expr& e) { return depends_on(e, loop.var); }))
        kept.insert(program_.storage(access.buffer));
    std::int64_t bytes = 0;
    for (const BufferId id : kept) bytes += byte_count(program_.buffer(id).type);
    return 4 * bytes <= target_.l1_bytes;
  }

  bool go_by_bands(const Pair& pair) const {
    return std::ranges::all_of(pair.images, [&](BufferId id) { return go_by_bands(pair, id); });
  }

  /// Whether both loops touch the buffer `id`, under one name, in bands along one dimension that no
  /// other iteration touches.
  bool go_by_bands(const Pair& pair, BufferId id) const {
    std::optional<BufferId> name;
    std::vector<std::pair<const For*, const BufferAccess*>> uses;
    for (const auto& [loop, all] :
         {std::pair{&pair.first, &pair.one}, std::pair{&pair.second, &pair.other}})
      for (const BufferAccess& access : *all) {
        if (program_.storage(access.buffer) != id) continue;
        if (name && *name != access.buffer) return false;
        name = access.buffer;
        uses.emplace_back(loop, &access);
      }
    const RangeContext in_first = constant_ranges(program_, pair.first.body),
                       in_second = constant_ranges(program_, pair.second.body);
    for (std::size_t d = 0; d < program_.buffer(*name).type.dims.size(); ++d) {
      const auto step = stride_in(uses.front().second->index[d], pair.first.var);
      if (!step || *step < 1) continue;
      const bool good = std::ranges::all_of(uses, [&](const auto& use) {
        const auto& [loop, access] = use;
        const auto within = range_of(substitute(access->index[d], {{loop->var, Expr(0)}}),
                                     loop == &pair.first ? in_first : in_second);
        return stride_in(access->index[d], loop->var) == *step && within && 0 <= within->low &&
               within->high < *step;
      });
      if (good) return true;
    }
    return false;
  }

  const Program& program_;
  const Target& target_;
  const RowsPay& pays_;
};

}  // namespace

bool exceeds_first_cache(const Program& program, BufferId image, const Target& target) {
  TensorType sample = program.buffer(image).type;
  if (!sample.dims.empty()) sample.dims.front() = 1;
  return byte_count(sample) > target.l1_bytes;
}

Program merge_rows(const Program& program, const Target& target, const RowsPay& pays) {
  return RowMerger(program, target, pays).run();
}

Program merge_rows(const Program& program, const Target& target) {
  return merge_rows(program, target, [&](const Stmt& a, const Stmt& b, BufferId image) {
    return exceeds_first_cache(program, image, target) ||
           stores_apart(program, {a, b}, image, target);
  });
}

}  // namespace cnnc
