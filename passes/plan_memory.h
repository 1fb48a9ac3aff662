// Addresses in the arena and in the workers' scratch.
#pragma once

#include <vector>

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

struct MemoryPlan {
  std::int64_t arena_bytes = 0, scratch_bytes = 0;  // scratch: one worker's
  /// What no plan can do without: the largest sum of bytes that are alive at once.
  std::int64_t arena_lower_bound = 0, scratch_lower_bound = 0;
};

/// Gives every arena and thread buffer an offset, such that buffers that are alive at the same time
/// do not overlap: an arena buffer lives from the first kernel that touches it to the last, a
/// thread buffer within its kernel from the first to the last statement that touches it, loops that
/// carry it included.
Program plan_memory(const Program& program, const Target& target);

/// Sizes that follow from the offsets of a planned program.
MemoryPlan memory_plan(const Program& program);

/// When a buffer is alive, both ends included: from kernel to kernel, or within one of them from
/// statement to statement, where every loop and branch counts at its begin and at its end.
struct LiveRange {
  BufferId buffer = 0;
  std::int64_t bytes = 0;  // with what alignment adds
  std::size_t first = SIZE_MAX, last = 0;

  void extend(std::size_t from, std::size_t to);
};

std::vector<LiveRange> arena_live_ranges(const Program& program);
std::vector<LiveRange> scratch_live_ranges(const Program& program, const Kernel& kernel);

/// The largest sum of bytes of `ranges` that are alive at once.
std::int64_t most_bytes_alive(const std::vector<LiveRange>& ranges);

}  // namespace cnnc
