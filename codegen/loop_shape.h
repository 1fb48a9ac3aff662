// What two loops that compile to the same code have in common.
#pragma once

#include <string>
#include <vector>

#include "ir/loop.h"

namespace cnnc {

struct LoopShape {
  /// The same for loops that differ in the names of variables and in which buffers they use, not in
  /// what buffers these are: their types, kinds of memory, and which are views of which.
  std::string text;
  /// The storages outside of registers and the stack, in the order of their first use.
  std::vector<BufferId> buffers;
};

LoopShape shape_of(const Program& program, const For& loop);

}  // namespace cnnc
