// fuse_row_loops:
//   for y in 0 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 1 .. 13 { for x { image[2*y, 2*x + 1] = b[y, x] } }
//     ->
//   for y in 0 .. 1   { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 1 .. 13  { for x { image[2*y, 2*x]     = a[y, x] }
//                       for x { image[2*y, 2*x + 1] = b[y, x] } }
//   for y in 13 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
#include "passes/locality/fuse_row_loops.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"
#include "passes/analysis/row_nest.h"

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

/// What a loop over rows touches.
struct RowLoop {
  std::vector<BufferAccess> accesses;
  std::map<BufferId, bool> storages;  // and whether it writes them
};

/// What two loops over rows do.
struct Pair {
  const For &first, &second;
  const std::vector<BufferAccess>&one, &other;
  IntegerRange rows;          // of both
  std::set<BufferId> images;  // storages that both touch and one writes
};

class BlockMerger {
 public:
  BlockMerger(const Program& program, const Target& target, const RowsPay& pays, Block& block)
      : program_(program), target_(target), pays_(pays), block_(block) {}

  void run() {
    loops_ = looked_at(block_);
    find_users();
    for (std::size_t i = 0; i < block_.size(); ++i)
      for (std::size_t j = next_partner(i, i + 1); j < block_.size();) {
        const auto rows = rows_to_merge(i, j);
        j = next_partner(i, rows && may_pass(i + 1, j) ? merge(i, j, *rows) : j + 1);
      }
  }

  static bool is_rows_loop(const Stmt& stmt) {
    const auto* loop = stmt.as<For>();
    return loop && is_plain(*loop);
  }

 private:
  using RowLoops = std::vector<std::optional<RowLoop>>;

  /// One a statement; nothing for what is no loop over rows.
  RowLoops looked_at(const Block& block) const {
    RowLoops result;
    for (const Stmt& stmt : block) {
      result.emplace_back();
      if (!is_rows_loop(stmt)) continue;
      RowLoop& mine = result.back().emplace();
      mine.accesses = accesses({stmt});
      for (const BufferAccess& access : mine.accesses)
        mine.storages[program_.storage(access.buffer)] |= access.write;
    }
    return result;
  }

  void find_users() {
    for (auto* lists : {&users_, &writers_})
      for (auto& [id, list] : *lists) list.clear();
    for (std::size_t i = 0; i < loops_.size(); ++i)
      if (loops_[i])
        for (const auto& [id, writes] : loops_[i]->storages) {
          users_[id].push_back(i);
          if (writes) writers_[id].push_back(i);
        }
  }

  /// The first loop from `begin` on that touches what loop `i` does, where one of them writes it;
  /// the end where there is none.
  std::size_t next_partner(std::size_t i, std::size_t begin) const {
    std::size_t result = block_.size();
    if (!loops_[i]) return result;
    for (const auto& [id, writes] : loops_[i]->storages) {
      const auto all = (writes ? users_ : writers_).find(id);
      if (all == (writes ? users_ : writers_).end()) continue;
      const auto next = std::ranges::lower_bound(all->second, begin);
      if (next != all->second.end()) result = std::min(result, *next);
    }
    return result;
  }

  /// Whether statement `at` may come ahead of those from `begin` on.
  bool may_pass(std::size_t begin, std::size_t at) const {
    for (std::size_t i = begin; i < at; ++i) {
      if (!loops_[i]) return false;
      const Pair pair = pair_of(i, at);
      const bool rows_apart = pair.rows.high < pair.rows.low && go_by_bands(pair);
      if (!pair.images.empty() && !rows_apart) return false;
    }
    return true;
  }

  /// Makes one loop of statements `i` and `j`, over `rows`. Each loop keeps its own order: rows
  /// that only one of them has before these come ahead of the new loop, which is `i` then; the
  /// first's rows behind these follow it at once, the second's are left at their place. Where to go
  /// on.
  std::size_t merge(std::size_t& i, std::size_t j, const IntegerRange& rows) {
    const For first = *block_[i].as<For>(), second = *block_[j].as<For>();
    const auto insert = [&](std::size_t k, const Block& part) {
      const auto at = static_cast<std::ptrdiff_t>(k);
      const RowLoops looked = looked_at(part);
      block_.insert(block_.begin() + at, part.begin(), part.end());
      loops_.insert(loops_.begin() + at, looked.begin(), looked.end());
      return part.size();
    };
    const auto erase = [&](std::size_t k) {
      block_.erase(block_.begin() + static_cast<std::ptrdiff_t>(k));
      loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(k));
    };
    For both = part_of(first, rows.low, rows.high + 1);
    const Block more = substitute(second.body, {{second.var, Expr(both.var)}});
    both.body.insert(both.body.end(), more.begin(), more.end());
    erase(j);
    std::size_t next = j;
    insert(j, rows_behind(second, rows));
    erase(i);
    insert(i, {Stmt{std::move(both)}});
    next += insert(i + 1, rows_behind(first, rows));
    for (const For* loop : {&first, &second}) {
      const std::size_t before = insert(i, rows_before(*loop, rows));
      i += before, next += before;
    }
    find_users();
    return next;
  }

  /// Of two loops over rows.
  Pair pair_of(std::size_t i, std::size_t j) const {
    const RowLoop &a = *loops_[i], &b = *loops_[j];
    Pair pair{*block_[i].as<For>(), *block_[j].as<For>(), a.accesses, b.accesses, {}, {}};
    const IntegerRange first = rows_of(pair.first), second = rows_of(pair.second);
    pair.rows = {std::max(first.low, second.low), std::min(first.high, second.high)};
    for (const auto& [id, writes] : a.storages) {
      const auto found = b.storages.find(id);
      if (found != b.storages.end() && (writes || found->second)) pair.images.insert(id);
    }
    return pair;
  }

  /// The rows that two loops go over together, where they should: most of those of each.
  std::optional<IntegerRange> rows_to_merge(std::size_t i, std::size_t j) const {
    const Pair pair = pair_of(i, j);
    const std::int64_t rows = pair.rows.high - pair.rows.low + 1;
    const bool most = 4 * rows >= 3 * std::max(*extent(pair.first), *extent(pair.second));
    const bool good =
        rows >= 2 && most &&
        std::ranges::any_of(pair.images,
                            [&](BufferId id) { return pays_(block_[i], block_[j], id); }) &&
        keeps_little(pair.first, pair.one) && keeps_little(pair.second, pair.other) &&
        go_by_bands(pair);
    return good ? std::optional(pair.rows) : std::nullopt;
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
  Block& block_;
  RowLoops loops_;                                                // of the block's statements
  std::map<BufferId, std::vector<std::size_t>> users_, writers_;  // of storages, in their order
};

void fuse_in(Block& block, const Program& program, const Target& target, const RowsPay& pays) {
  for (Stmt& stmt : block)
    if (auto* loop = stmt.as<For>()) fuse_in(loop->body, program, target, pays);
  if (std::ranges::count_if(block, BlockMerger::is_rows_loop) > 1)
    BlockMerger(program, target, pays, block).run();
}

}  // namespace

bool exceeds_first_cache(const Program& program, BufferId image, const Target& target) {
  TensorType sample = program.buffer(image).type;
  if (!sample.dims.empty()) sample.dims.front() = 1;
  return byte_count(sample) > target.l1_bytes;
}

Program fuse_row_loops_where(const Program& program, const Target& target, const RowsPay& pays) {
  Program result = program;
  for (Kernel& kernel : result.kernels) fuse_in(kernel.body, program, target, pays);
  return result;
}

Program fuse_row_loops(const Program& program, const PassContext& context) {
  const Target& target = context.target;
  return fuse_row_loops_where(program, target, [&](const Stmt& a, const Stmt& b, BufferId image) {
    return exceeds_first_cache(program, image, target) || stores_apart(program, a, image, target) ||
           stores_apart(program, b, image, target);
  });
}

}  // namespace cnnc
