// Addresses in the arena and in the workers' scratch.
#pragma once

#include <vector>

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

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
Program plan_memory(const Program& program, const PassContext& context);

/// Whether every arena and thread buffer that a kernel uses has its offset.
bool is_planned(const Program& program);

/// Buffers whose places overlap although they are alive at the same time.
std::vector<Fault> find_overlaps(const Program& program);

/// Sizes that follow from the offsets of a planned program.
MemoryPlan memory_plan(const Program& program);

}  // namespace cnnc
