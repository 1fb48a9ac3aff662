// PNG files, read from strangers and written for users.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/io/picture.h"

namespace cnnc {

/// A PNG wider or higher than this, or of more than kMaxPngPixels, is refused before its pixels are
/// decoded.
inline constexpr std::int64_t kMaxPngSide = 16384;
inline constexpr std::int64_t kMaxPngPixels = std::int64_t{1} << 26;

/// Any colour type, bit depth and interlacing, as 8-bit grey or RGB; transparency is laid over
/// white, or over black where hardly anything could be seen on white. Throws Error that names the
/// file: not a PNG, broken, too large.
Picture read_png(const std::filesystem::path& path);
/// The same from memory; `name` is what messages call it.
Picture decode_png(std::span<const std::byte> bytes, std::string_view name);

std::vector<std::byte> encode_png(const Picture& picture);
/// Complete or not at all (write_file).
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace cnnc
