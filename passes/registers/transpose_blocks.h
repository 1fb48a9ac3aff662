// Copies that turn one dimension into another, as square blocks in registers.
#pragma once

#include <optional>

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// What `loop` does, where it is a nest
///   for k { for ... { for n { to[..., k, n] = f(from[..., n, k], ...) } } }
/// that stores along n and reads along k: blocks of lanes x lanes elements, read as rows along k,
/// transposed in registers and stored as rows along n; what fills no block follows as loops like
/// those given. Adds the blocks to the program's buffers. The same values, in another order.
std::optional<Block> transpose_blocks(Program& program, const For& loop, const Target& target);

}  // namespace cnnc
