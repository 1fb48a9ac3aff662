// Pictures in memory: 8 bits, grey or RGB; resized and converted to what a network takes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

struct Picture {
  std::int64_t height = 0, width = 0, channels = 1;  // channels: 1 grey, 3 RGB
  std::vector<std::uint8_t> pixels;                  // [height, width, channels]
  std::optional<std::uint8_t> ground;  // what its transparency was laid over when it was read

  Picture() = default;
  Picture(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint8_t fill = 0);
};

/// Area average where the picture shrinks along an axis, bilinear where it grows.
Picture resize(const Picture& picture, std::int64_t height, std::int64_t width);
/// To 1 (Rec. 601 luminance) or 3 channels.
Picture with_channels(const Picture& picture, std::int64_t channels);
Picture inverted(Picture picture);
/// Mean brightness (0..255) of the outermost pixels of `pixels` [h, w, c].
double border_mean(std::span<const std::uint8_t> pixels, const Dims& image);
double border_mean(const Picture& picture);
/// Whether all pixels of `pixels` [h, w, c], of which there are several, are alike.
bool is_blank(std::span<const std::uint8_t> pixels, const Dims& image);

/// A picture as a network's input.
struct FittedPicture {
  std::vector<std::uint8_t> pixels;  // [h, w, c]
  std::string conversion;  // "40x32 RGB -> 28x28 grey", width x height; empty: nothing converted
};

/// `picture` resized (each axis on its own) and converted to `image` (h, w, c with c 1 or 3,
/// otherwise Error), inverted where asked for.
FittedPicture fit_picture(const Picture& picture, const Dims& image, bool invert = false);

}  // namespace cnnc
