// What kernels that check their indices say of the first one that is out of bounds.
#pragma once

#include <optional>
#include <string>

#include "codegen/kernel_abi.h"
#include "ir/loop/loop.h"

namespace cnnc {

struct OutOfBounds {
  std::int64_t kernel = 0, buffer = 0, dimension = 0, index = 0;
};

/// The end of one context's out_of_bounds. Any number of threads may report.
class BoundsReport {
 public:
  /// Sets the context's callback and forgets what was reported before; the report must outlive the
  /// context's use.
  void attach(KernelContext& context);
  /// The first report; only while no kernel runs.
  const std::optional<OutOfBounds>& first() const { return first_; }

 private:
  int reports_ = 0;
  std::optional<OutOfBounds> first_;
};

/// kernel 'conv2.forward': index 28 of dimension 1 of x : f32[128,28,28,1] is out of bounds
std::string describe(const OutOfBounds& access, const Program& program);

}  // namespace cnnc
