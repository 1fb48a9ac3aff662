// Nests that store rows of registers some elements apart.
#pragma once

#include <optional>

#include "ir/target/target.h"
#include "passes/analysis/strided_nest.h"

namespace cnnc {

/// A nest that stores what it makes of rows of registers, or a constant.
struct RowNest : StridedNest {
  std::size_t at = 0;  // in its block
};

/// A nest that stores a row of registers, at most a vector, some elements apart; nothing for others.
std::optional<RowNest> row_nest(const Program& program, const Stmt& stmt, const Target& target);

/// Whether `stmt` stores rows of registers some elements apart in `buffer` (a storage), so that
/// others could be put between them.
bool stores_apart(const Program& program, const Stmt& stmt, BufferId buffer, const Target& target);

}  // namespace cnnc
