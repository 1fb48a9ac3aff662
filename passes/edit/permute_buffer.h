// Other layouts for buffers of the program's own.
#pragma once

#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// Whether the layout of `buffer` is nobody's business but the program's: it lives in the arena and
/// is neither a view nor viewed.
bool may_be_permuted(const Program& program, BufferId buffer);

/// Lays `buffer` out with its dimensions in `order` (new dimension i is old dimension order[i]),
/// everywhere; loops that only fill it with a constant go in the order of memory.
void permute_buffer(Program& program, BufferId buffer, const std::vector<std::size_t>& order);

}  // namespace cnnc
