// Where buffers may start, and how far they can be read.
#pragma once

#include <cstdint>

namespace cnnc {

/// Every buffer starts at a multiple of this many bytes, and what follows it up to the next such
/// multiple can be read: kernels load whole vectors of which they use a part.
inline constexpr std::int64_t kBufferAlignment = 64;

/// Bytes of a buffer of `bytes`, with those behind its end that can be read.
constexpr std::int64_t readable_bytes(std::int64_t bytes) {
  return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

}  // namespace cnnc
