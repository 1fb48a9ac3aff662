// When buffers are alive.
#pragma once

#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// What a buffer takes in the arena or in scratch, in bytes.
std::int64_t bytes_with_alignment(const Buffer& buffer);

/// When a buffer is alive, both ends included: from kernel to kernel, or within one of them from
/// statement to statement, where every loop and branch counts at its begin and at its end.
struct LiveRange {
  BufferId buffer = 0;
  std::int64_t bytes = 0;  // bytes_with_alignment
  std::size_t first = SIZE_MAX, last = 0;

  void extend(std::size_t from, std::size_t to);
};

std::vector<LiveRange> arena_live_ranges(const Program& program);
std::vector<LiveRange> scratch_live_ranges(const Program& program, const Kernel& kernel);

/// The largest sum of bytes of `ranges` that are alive at once.
std::int64_t most_bytes_alive(const std::vector<LiveRange>& ranges);

}  // namespace cnnc
