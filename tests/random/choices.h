// Numbers and choices of a random test: a function of its seed, so that every network can be made
// again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/train/random.h"

namespace cnnc::testing {

class Choices {
 public:
  explicit Choices(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint64_t bits() { return random_bits(seed_, stream_, next_++); }
  /// Uniform, both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    CNNC_CHECK(low <= high, "no number from {} to {}", low, high);
    return low + static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double probability) { return random_uniform(seed_, stream_, next_++) < probability; }

  template <class T>
  const T& one_of(const std::vector<T>& values) {
    CNNC_CHECK(!values.empty(), "nothing to choose from");
    return values[static_cast<std::size_t>(bits() % values.size())];
  }

 private:
  std::uint64_t seed_, stream_, next_ = 0;
};

}  // namespace cnnc::testing
