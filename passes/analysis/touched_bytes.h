// How many bytes of each buffer a kernel uses.
#pragma once

#include <map>
#include <vector>

#include "ir/loop/integer_range.h"
#include "ir/loop/loop.h"

namespace cnnc {

/// Boxes around the elements that are used, a buffer (as written, maybe a view) each.
class TouchedBytes {
 public:
  explicit TouchedBytes(const Program& program) : program_(program) {}

  /// The element at `index`, for all values that `context` gives its variables.
  void touch(BufferId buffer, const std::vector<Expr>& index, const RangeContext& context);
  double bytes() const;

 private:
  const Program& program_;
  std::map<BufferId, std::vector<IntegerRange>> boxes_;
};

}  // namespace cnnc
