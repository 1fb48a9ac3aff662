// IDX files (MNIST's format): a big-endian header, then unsigned bytes; plain or gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

struct IdxData {
  Dims dims;                         // [count] or [count, height, width]
  std::vector<std::uint8_t> values;  // row-major
};

/// The most bytes that a file may promise.
inline constexpr std::int64_t kMaxIdxBytes = std::int64_t{1} << 30;

/// Reads `path`, whose array must have `rank` dimensions of unsigned bytes. Whether it is
/// compressed is seen from its first bytes. No more than the header's sizes is decompressed or
/// allocated. Throws Error with file and byte position (of the uncompressed contents) for anything
/// else than a well-formed, complete file without trailing bytes.
IdxData read_idx(const std::filesystem::path& path, int rank);

}  // namespace cnnc
