// What statements that compile to the same code have in common.
#pragma once

#include <string>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

struct CodeShape {
  /// The same for statements that differ in the names of variables and in which buffers they use,
  /// not in what buffers these are: their types, kinds of memory, and which are views of which.
  std::string text;
  /// The storages outside of registers and the stack, in the order of their first use.
  std::vector<BufferId> buffers;
};

CodeShape shape_of(const Program& program, const Block& block);

}  // namespace cnnc
