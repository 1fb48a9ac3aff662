#include "runtime/io/picture.h"

#include <algorithm>
#include <cmath>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

/// How one output position along an axis mixes the input positions from `first` on; the weights sum
/// to 1.
struct Mix {
  std::int64_t first = 0;
  std::vector<double> weights;
};

/// Area average where the axis shrinks: an output pixel covers `from / to` input pixels, the
/// outermost ones partly.
Mix average(std::int64_t from, std::int64_t to, std::int64_t index) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double begin = static_cast<double>(index) * scale, end = begin + scale;
  Mix mix{.first = std::min(static_cast<std::int64_t>(begin), from - 1), .weights = {}};
  for (std::int64_t i = mix.first; i < from && static_cast<double>(i) < end - 1e-9; ++i) {
    const double covered =
        std::min(end, static_cast<double>(i + 1)) - std::max(begin, static_cast<double>(i));
    mix.weights.push_back(covered / scale);
  }
  return mix;
}

/// Linear interpolation between pixel centres where the axis grows.
Mix interpolate(std::int64_t from, std::int64_t to, std::int64_t index) {
  const double at =
      (static_cast<double>(index) + 0.5) * static_cast<double>(from) / static_cast<double>(to) -
      0.5;
  const double inside = std::clamp(at, 0.0, static_cast<double>(from - 1));
  const auto first =
      std::min(static_cast<std::int64_t>(inside), std::max<std::int64_t>(0, from - 2));
  const double right = inside - static_cast<double>(first);
  return {first, from == 1 ? std::vector<double>{1} : std::vector<double>{1 - right, right}};
}

std::vector<Mix> mixes(std::int64_t from, std::int64_t to) {
  std::vector<Mix> all;
  for (std::int64_t i = 0; i < to; ++i)
    all.push_back(to < from ? average(from, to, i) : interpolate(from, to, i));
  return all;
}

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
}

std::string_view colour_name(std::int64_t channels) { return channels == 1 ? "grey" : "RGB"; }

}  // namespace

Picture::Picture(std::int64_t rows, std::int64_t columns, std::int64_t planes, std::uint8_t fill)
    : height(rows),
      width(columns),
      channels(planes),
      pixels(static_cast<std::size_t>(rows * columns * planes), fill) {}

Picture resize(const Picture& picture, std::int64_t height, std::int64_t width) {
  CNNC_CHECK(picture.height > 0 && picture.width > 0 && height > 0 && width > 0, "{}x{} to {}x{}",
             picture.height, picture.width, height, width);
  const auto rows = mixes(picture.height, height), columns = mixes(picture.width, width);
  const std::int64_t channels = picture.channels;
  Picture result(height, width, channels);
  std::vector<double> line(static_cast<std::size_t>(
      picture.width * channels));  // the input's rows, mixed for one output row
  auto* to = result.pixels.data();
  for (const Mix& row : rows) {
    std::fill(line.begin(), line.end(), 0.0);
    const auto* from = picture.pixels.data() + row.first * picture.width * channels;
    for (const double weight : row.weights) {
      for (double& value : line) value += weight * *from++;
    }
    for (const Mix& column : columns) {
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        auto at = static_cast<std::size_t>(column.first * channels + c);
        for (const double weight : column.weights) {
          sum += weight * line[at];
          at += static_cast<std::size_t>(channels);
        }
        *to++ = to_byte(sum);
      }
    }
  }
  return result;
}

Picture with_channels(const Picture& picture, std::int64_t channels) {
  CNNC_CHECK(channels == 1 || channels == 3, "{} channels", channels);
  if (channels == picture.channels) return picture;
  Picture result(picture.height, picture.width, channels);
  const std::size_t count = static_cast<std::size_t>(picture.height * picture.width);
  for (std::size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      std::fill_n(result.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, picture.pixels[i]);
    } else {
      const auto* rgb = &picture.pixels[3 * i];
      result.pixels[i] = to_byte(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
    }
  }
  return result;
}

Picture inverted(Picture picture) {
  for (auto& value : picture.pixels) value = static_cast<std::uint8_t>(255 - value);
  return picture;
}

double border_mean(std::span<const std::uint8_t> pixels, const Dims& image) {
  const std::int64_t height = image[0], width = image[1], channels = image[2];
  double sum = 0, count = 0;
  for (std::int64_t y = 0; y < height; ++y) {
    const bool edge_row = y == 0 || y == height - 1;
    for (std::int64_t x = 0; x < width; x += edge_row || width == 1 ? 1 : width - 1) {
      for (std::int64_t c = 0; c < channels; ++c) {
        sum += pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
        ++count;
      }
    }
  }
  return count > 0 ? sum / count : 0;
}

double border_mean(const Picture& picture) {
  return border_mean(picture.pixels, {picture.height, picture.width, picture.channels});
}

bool is_blank(std::span<const std::uint8_t> pixels, const Dims& image) {
  const auto channels = static_cast<std::size_t>(image[2]);
  return pixels.size() > channels &&
         std::equal(pixels.begin() + static_cast<std::ptrdiff_t>(channels), pixels.end(),
                    pixels.begin());
}

FittedPicture fit_picture(const Picture& picture, const Dims& image, bool invert) {
  CNNC_CHECK(image.size() == 3, "image of shape {}", to_string(image));
  const std::int64_t height = image[0], width = image[1], channels = image[2];
  if (channels != 1 && channels != 3) {
    fail(
        "a picture has 1 channel (grey) or 3 (RGB), but the model's input is {} (height, width, "
        "channels)",
        to_string(image));
  }
  FittedPicture fitted;
  Picture result = with_channels(resize(picture, height, width), channels);
  if (invert) result = inverted(std::move(result));

  if (picture.height != height || picture.width != width || picture.channels != channels) {
    fitted.conversion =
        fmt::format("{}x{} {} -> {}x{} {}", picture.width, picture.height,
                    colour_name(picture.channels), width, height, colour_name(channels));
  }
  const auto add = [&](std::string_view text) {
    fitted.conversion += (fitted.conversion.empty() ? "" : ", ") + std::string(text);
  };
  if (picture.ground)
    add(*picture.ground == 0 ? "transparency over black" : "transparency over white");
  if (invert) add("inverted");
  fitted.pixels = std::move(result.pixels);
  return fitted;
}

}  // namespace cnnc
