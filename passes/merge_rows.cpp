// merge_rows:
//   for y in 0 .. 14 { for x { image[2*y, 2*x]     = a[y, x] } }
//   for y in 0 .. 14 { for x { image[2*y, 2*x + 1] = b[y, x] } }
//     ->
//   for y in 0 .. 14 { for x { image[2*y, 2*x]     = a[y, x] }
//                      for x { image[2*y, 2*x + 1] = b[y, x] } }
#include "passes/merge_rows.h"

#include <algorithm>
#include <optional>
#include <set>

#include "ir/integer_range.h"
#include "passes/interleave_stores.h"
#include "passes/nest.h"

namespace cnnc {

namespace {

class RowMerger {
 public:
  RowMerger(const Program& program, const Target& target) : program_(program), target_(target) {}

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) merge(kernel.body);
    return result;
  }

 private:
  void merge(Block& block) const {
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) merge(loop->body);
    for (std::size_t i = 0; i + 1 < block.size();) {
      if (!may_merge(block[i], block[i + 1])) {
        ++i;
        continue;
      }
      auto& first = *block[i].as<For>();
      const auto& second = *block[i + 1].as<For>();
      const Block more = substitute(second.body, {{second.var, Expr(first.var)}});
      first.body.insert(first.body.end(), more.begin(), more.end());
      block.erase(block.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }

  bool may_merge(const Stmt& a, const Stmt& b) const {
    const auto *first = a.as<For>(), *second = b.as<For>();
    if (!first || !second || !is_plain(*first) || !is_plain(*second) || *extent(*first) < 2 ||
        !same(first->begin, second->begin) || !same(first->end, second->end))
      return false;
    const auto one = accesses({a}), other = accesses({b});
    std::set<BufferId> written, shared;  // by storage
    for (const auto* all : {&one, &other})
      for (const BufferAccess& access : *all)
        if (access.write) written.insert(program_.storage(access.buffer));
    for (const BufferAccess& access : other)
      for (const BufferAccess& before : one)
        if (program_.storage(access.buffer) == program_.storage(before.buffer) &&
            written.contains(program_.storage(access.buffer)))
          shared.insert(program_.storage(access.buffer));
    const bool pays = std::ranges::any_of(shared, [&](BufferId id) {
      return exceeds_cache(id) || stores_apart(program_, {a, b}, id, target_);
    });
    return pays && keeps_little(*first, one) && keeps_little(*second, other) &&
           std::ranges::all_of(
               shared, [&](BufferId id) { return goes_by_bands(id, *first, one, *second, other); });
  }

  /// One sample of it.
  bool exceeds_cache(BufferId id) const {
    TensorType sample = program_.buffer(id).type;
    if (!sample.dims.empty()) sample.dims.front() = 1;
    return byte_count(sample) > target_.l1_bytes;
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

  /// Whether both loops touch the buffer `id`, under one name, in bands along one dimension that no
  /// other iteration touches.
  bool goes_by_bands(BufferId id, const For& first, const std::vector<BufferAccess>& one,
                     const For& second, const std::vector<BufferAccess>& other) const {
    std::optional<BufferId> name;
    std::vector<std::pair<const For*, const BufferAccess*>> uses;
    for (const auto& [loop, all] : {std::pair{&first, &one}, std::pair{&second, &other}})
      for (const BufferAccess& access : *all) {
        if (program_.storage(access.buffer) != id) continue;
        if (name && *name != access.buffer) return false;
        name = access.buffer;
        uses.emplace_back(loop, &access);
      }
    const RangeContext in_first = constant_ranges(program_, first.body),
                       in_second = constant_ranges(program_, second.body);
    for (std::size_t d = 0; d < program_.buffer(*name).type.dims.size(); ++d) {
      const auto step = stride_in(uses.front().second->index[d], first.var);
      const std::int64_t base = *first.begin.constant() * step.value_or(0);
      if (!step || *step < 1) continue;
      const bool good = std::ranges::all_of(uses, [&](const auto& use) {
        const auto& [loop, access] = use;
        const auto within = range_of(substitute(access->index[d], {{loop->var, loop->begin}}),
                                     loop == &first ? in_first : in_second);
        return stride_in(access->index[d], loop->var) == *step && within && base <= within->low &&
               within->high < base + *step;
      });
      if (good) return true;
    }
    return false;
  }

  const Program& program_;
  const Target& target_;
};

}  // namespace

Program merge_rows(const Program& program, const Target& target) {
  return RowMerger(program, target).run();
}

}  // namespace cnnc
