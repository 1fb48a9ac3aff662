// PNG files: a picture within the limits, which survives encoding and fits any model, or an error.
#include "runtime/io/picture.h"
#include "runtime/io/png.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

constexpr std::int64_t kMostPixels = 1 << 16;  // of those that are worked with further

/// The side lengths that the header claims: decoding a large, empty picture only takes time.
bool is_large(const std::uint8_t* data, std::size_t size) {
  if (size < 24) return false;
  const auto side = [&](std::size_t at) {
    return std::int64_t{data[at]} << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3];
  };
  const std::int64_t width = side(16), height = side(20);
  return width <= kMaxPngSide && height <= kMaxPngSide && width * height > kMostPixels;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (is_large(data, size)) return 0;
  try {
    const Picture picture = decode_png(std::as_bytes(std::span(data, size)), "p");
    fuzz::require(static_cast<std::int64_t>(picture.pixels.size()) ==
                      picture.height * picture.width * picture.channels,
                  "a picture has its pixels");
    const Picture again = decode_png(encode_png(picture), "again");
    fuzz::require(again.pixels == picture.pixels, "encoding keeps every pixel");
    for (const std::int64_t channels : {1, 3}) {
      const auto fitted = fit_picture(picture, {8, 9, channels}, false);
      fuzz::require(static_cast<std::int64_t>(fitted.pixels.size()) == 72 * channels,
                    "a fitted picture has the model's size");
    }
  } catch (const Error& error) {
    fuzz::require_position(error, "p");
  }
  return 0;
}
