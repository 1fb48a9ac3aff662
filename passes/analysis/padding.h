// Nests that copy an image and put a constant around it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "ir/loop/integer_range.h"
#include "ir/loop/loop.h"
#include "passes/analysis/nest.h"

namespace cnnc {

/// A nest that fills `buffer` with the elements of an image and, around them, a constant.
struct Padding {
  BufferId buffer;
  BufferId image;
  Nest nest;
  Store store;
  /// One a dimension: the nest's loop along it, or the number of loops where it is constant.
  std::vector<std::size_t> loops;
  std::vector<std::size_t> dims;       // those that are padded
  std::vector<IntegerRange> interior;  // one a dimension; of those that are padded, the image
};

/// What `stmt` fills, where it does just this, into memory of the program's own, by loops between
/// constants: neither where the image is nor which of its elements are copied depends on data.
std::optional<Padding> find_padding(const Program& program, const Stmt& stmt);

}  // namespace cnnc
