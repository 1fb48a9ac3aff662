// plan_memory:
//   a : f32[100] arena    (kernels 0 to 1)          a : f32[100] arena offset 0
//   b : f32[100] arena    (kernels 1 to 2)    ->    b : f32[100] arena offset 448
//   c : f32[100] arena    (kernels 2 to 3)          c : f32[100] arena offset 0
// Largest buffers first, each at the lowest place where it meets no other one that is alive with
// it; where that leaves gaps, other orders are tried.
#include "passes/finish/plan_memory.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "ir/base/alignment.h"
#include "passes/analysis/live_ranges.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Offsets, one a range, and where the last of them ends.
struct Placement {
  std::vector<std::int64_t> offsets;
  std::int64_t bytes = 0;
};

/// Of each range, those that are alive with it.
std::vector<std::vector<std::size_t>> neighbours_of(const std::vector<LiveRange>& lives) {
  std::vector<std::size_t> order(lives.size()), alive;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return lives[i].first; });
  std::vector<std::vector<std::size_t>> result(lives.size());
  for (const std::size_t i : order) {
    std::erase_if(alive, [&](std::size_t other) { return lives[other].last < lives[i].first; });
    for (const std::size_t other : alive) {
      result[i].push_back(other);
      result[other].push_back(i);
    }
    alive.push_back(i);
  }
  return result;
}

/// Each range in `order` at the lowest place where it meets no earlier one of its neighbours.
Placement place(const std::vector<LiveRange>& lives,
                const std::vector<std::vector<std::size_t>>& neighbours,
                const std::vector<std::size_t>& order) {
  Placement result{std::vector<std::int64_t>(lives.size()), 0};
  std::vector<bool> placed(lives.size());
  std::vector<std::pair<std::int64_t, std::int64_t>> taken;
  for (const std::size_t i : order) {
    taken.clear();
    for (const std::size_t other : neighbours[i])
      if (placed[other])
        taken.emplace_back(result.offsets[other], result.offsets[other] + lives[other].bytes);
    std::sort(taken.begin(), taken.end());
    std::int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (begin - offset >= lives[i].bytes) break;
      offset = std::max(offset, end);
    }
    result.offsets[i] = offset;
    result.bytes = std::max(result.bytes, offset + lives[i].bytes);
    placed[i] = true;
  }
  return result;
}

/// Pairs of ranges to compare, at most: more than a second of search would not pay.
constexpr std::size_t kMostComparisons = 10'000'000;

/// Tries the largest first; then, while that is more than the ranges need, those that ended up on
/// top ahead of all others.
Placement best_placement(const std::vector<LiveRange>& lives) {
  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lives[a].bytes > lives[b].bytes; });
  const std::int64_t least = most_bytes_alive(lives);
  const auto neighbours = neighbours_of(lives);
  Placement best = place(lives, neighbours, order), current = best;
  std::set<std::vector<std::size_t>> tried{order};
  const std::size_t trials = kMostComparisons / (lives.size() * lives.size() + 1);
  for (std::size_t trial = 0; trial < std::min<std::size_t>(trials, 100); ++trial) {
    if (best.bytes == least) break;
    std::stable_partition(order.begin(), order.end(), [&](std::size_t i) {
      return current.offsets[i] + lives[i].bytes == current.bytes;
    });
    if (!tried.insert(order).second) break;
    current = place(lives, neighbours, order);
    if (current.bytes < best.bytes) best = current;
  }
  return best;
}

void assign(Program& program, const std::vector<LiveRange>& lives) {
  const Placement placement = best_placement(lives);
  for (std::size_t i = 0; i < lives.size(); ++i)
    program.buffers[static_cast<std::size_t>(lives[i].buffer)].offset = placement.offsets[i];
}

}  // namespace

Program plan_memory(const Program& program, const PassContext&) {
  Program result = program;
  assign(result, arena_live_ranges(program));
  for (const Kernel& kernel : program.kernels) assign(result, scratch_live_ranges(program, kernel));
  return result;
}

bool is_planned(const Program& program) {
  return std::ranges::all_of(program.kernels, [&](const Kernel& kernel) {
    return std::ranges::all_of(accesses(kernel.body), [&](const auto& used) {
      const Buffer& buffer = program.buffer(program.storage(used.buffer));
      const bool needs_place = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
      return !needs_place || buffer.offset >= 0;
    });
  });
}

std::vector<Fault> find_overlaps(const Program& program) {
  std::vector<Fault> faults;
  const auto look_at = [&](std::vector<LiveRange> lives) {
    std::erase_if(lives, [&](const auto& life) { return program.buffer(life.buffer).offset < 0; });
    const auto neighbours = neighbours_of(lives);
    for (std::size_t i = 0; i < lives.size(); ++i)
      for (const std::size_t j : neighbours[i]) {
        const Buffer &mine = program.buffer(lives[i].buffer),
                     &other = program.buffer(lives[j].buffer);
        if (i > j || mine.offset >= other.offset + byte_count(other.type) ||
            other.offset >= mine.offset + byte_count(mine.type))
          continue;
        const auto part = static_cast<std::size_t>(std::max(lives[i].buffer, lives[j].buffer));
        faults.push_back({{Part::Kind::buffer, part},
                          fmt::format("{} and {} share memory, but are alive at the same time",
                                      mine.name, other.name)});
      }
  };
  look_at(arena_live_ranges(program));
  for (const Kernel& kernel : program.kernels) look_at(scratch_live_ranges(program, kernel));
  return faults;
}

MemoryPlan memory_plan(const Program& program) {
  MemoryPlan plan;
  for (const Buffer& buffer : program.buffers) {
    if (buffer.view_of || buffer.offset < 0) continue;
    auto& total = buffer.memory == Memory::arena ? plan.arena_bytes : plan.scratch_bytes;
    total = std::max(total, buffer.offset + bytes_with_alignment(buffer));
  }
  plan.arena_lower_bound = most_bytes_alive(arena_live_ranges(program));
  for (const Kernel& kernel : program.kernels)
    plan.scratch_lower_bound =
        std::max(plan.scratch_lower_bound, most_bytes_alive(scratch_live_ranges(program, kernel)));
  return plan;
}

}  // namespace cnnc
