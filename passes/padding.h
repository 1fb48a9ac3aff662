// Nests that copy an image and put a constant around it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "ir/integer_range.h"
#include "ir/loop.h"
#include "passes/nest.h"

namespace cnnc {

/// A nest that fills `buffer` with the elements of an image and, around them, a constant.
struct Padding {
  BufferId buffer;
  BufferId image;
  Nest nest;
  Store store;
  std::vector<std::size_t> loops;      // of the nest: one a dimension, or its number of loops
  std::vector<std::size_t> dims;       // those that are padded
  std::vector<IntegerRange> interior;  // one a dimension
};

/// What `stmt` fills, where it does just this, into memory of the program's own.
std::optional<Padding> find_padding(const Program& program, const Stmt& stmt);

}  // namespace cnnc
