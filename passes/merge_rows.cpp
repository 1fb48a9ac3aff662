// merge_rows:
//   for y in 0 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 1 .. 13 { for x { image[2*y, 2*x + 1] = b[y, x] } }
//     ->
//   for y in 0 .. 1   { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 1 .. 13  { for x { image[2*y, 2*x]     = a[y, x] }
//                       for x { image[2*y, 2*x + 1] = b[y, x] } }
//   for y in 13 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
#include "passes/merge_rows.h"

#include <algorithm>
#include <optional>
#include <set>

#include "ir/integer_range.h"
#include "passes/nest.h"
#include "passes/row_nest.h"

namespace cnnc {

namespace {

/// Of a loop that is_plain.
IntegerRange rows_of(const For& loop) {
  return {*loop.begin.constant(), *loop.begin.constant() + *extent(loop) - 1};
}

Block rows_before(const For& loop, const IntegerRange& rows) {
  const std::int64_t low = rows_of(loop).low;
  return low < rows.low ? Block{{part_of(loop, low, rows.low)}} : Block{};
}

Block rows_behind(const For& loop, const IntegerRange& rows) {
  const std::int64_t high = rows_of(loop).high;
  return rows.high < high ? Block{{part_of(loop, rows.high + 1, high + 1)}} : Block{};
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
        const auto rows = rows_to_merge(block[i], block[j]);
        j = rows && may_pass(block, i + 1, j) ? merged(block, i, j, *rows) : j + 1;
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

  /// Makes one loop of statements `i` and `j`, over `rows`. Each loop keeps its own order: rows
  /// that only one of them has before these come ahead of the new loop, which is `i` then; the
  /// first's rows behind these follow it at once, the second's are left at their place. Where to go
  /// on.
  static std::size_t merged(Block& block, std::size_t& i, std::size_t j, const IntegerRange& rows) {
    const For first = *block[i].as<For>(), second = *block[j].as<For>();
    const auto at = [&](std::size_t k) { return block.begin() + static_cast<std::ptrdiff_t>(k); };
    const auto insert = [&](std::size_t k, const Block& part) {
      block.insert(at(k), part.begin(), part.end());
      return part.size();
    };
    For both = part_of(first, rows.low, rows.high + 1);
    const Block more = substitute(second.body, {{second.var, Expr(both.var)}});
    both.body.insert(both.body.end(), more.begin(), more.end());
    block.erase(at(j));
    std::size_t next = j;
    insert(j, rows_behind(second, rows));
    block[i] = {std::move(both)};
    next += insert(i + 1, rows_behind(first, rows));
    for (const For* loop : {&first, &second}) {
      const std::size_t before = insert(i, rows_before(*loop, rows));
      i += before, next += before;
    }
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

  /// The rows that two loops go over together, where they should: most of those of each.
  std::optional<IntegerRange> rows_to_merge(const Stmt& a, const Stmt& b) const {
    const auto pair = pair_of(a, b);
    if (!pair) return std::nullopt;
    const std::int64_t rows = pair->rows.high - pair->rows.low + 1;
    const bool most = 4 * rows >= 3 * std::max(*extent(pair->first), *extent(pair->second));
    const bool good =
        rows >= 2 && most &&
        std::ranges::any_of(pair->images, [&](BufferId id) { return pays_(a, b, id); }) &&
        keeps_little(pair->first, pair->one) && keeps_little(pair->second, pair->other) &&
        go_by_bands(*pair);
    return good ? std::optional(pair->rows) : std::nullopt;
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

Program merge_rows_where(const Program& program, const Target& target, const RowsPay& pays) {
  return RowMerger(program, target, pays).run();
}

Program merge_rows(const Program& program, const PassContext& context) {
  const Target& target = context.target;
  return merge_rows_where(program, target, [&](const Stmt& a, const Stmt& b, BufferId image) {
    return exceeds_first_cache(program, image, target) ||
           stores_apart(program, {a, b}, image, target);
  });
}

}  // namespace cnnc
