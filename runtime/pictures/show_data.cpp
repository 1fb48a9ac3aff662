#include "runtime/pictures/show_data.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/io/png.h"
#include "runtime/pictures/font.h"

namespace cnnc {
namespace {

constexpr std::int64_t kImages = 10, kColumns = 5;
constexpr std::int64_t kSide = 224;  // images are enlarged to about this
constexpr std::int64_t kMargin = 24, kGap = 12;
constexpr std::int64_t kTextScale = 3;
constexpr std::uint8_t kPaper = 250, kInk = 30, kFrame = 200;

/// What fits below an image of `width` pixels.
std::string fitted(std::string text, std::int64_t width) {
  while (text.size() > 1 && text_width(text, kTextScale) > width) text.pop_back();
  return text;
}

/// The image with every pixel `scale` times as high and wide, in a frame of one pixel; its top left
/// corner (inside the frame) at row, column.
void paste(Picture& sheet, std::span<const std::uint8_t> pixels, const Dims& image,
           std::int64_t scale, std::int64_t row, std::int64_t column) {
  const std::int64_t height = image[0] * scale, width = image[1] * scale, channels = image[2];
  for (std::int64_t y = -1; y <= height; ++y) {
    for (std::int64_t x = -1; x <= width; ++x) {
      const bool frame = y < 0 || x < 0 || y == height || x == width;
      for (std::int64_t c = 0; c < sheet.channels; ++c) {
        const auto to =
            static_cast<std::size_t>(((row + y) * sheet.width + column + x) * sheet.channels + c);
        sheet.pixels[to] =
            frame ? kFrame
                  : pixels[static_cast<std::size_t>((y / scale * image[1] + x / scale) * channels +
                                                    std::min(c, channels - 1))];
      }
    }
  }
}

}  // namespace

Picture data_sheet(const Dataset& dataset) {
  CNNC_CHECK(dataset.image.size() == 3 && (dataset.image[2] == 1 || dataset.image[2] == 3),
             "images of {}", to_string(dataset.image));
  const Dims& image = dataset.image;
  const std::int64_t count = std::min(kImages, dataset.count);
  const std::int64_t scale = std::max<std::int64_t>(1, kSide / std::max(image[0], image[1]));
  const std::int64_t columns = std::clamp<std::int64_t>(count, 1, kColumns),
                     rows = std::max<std::int64_t>(1, (count + kColumns - 1) / kColumns);
  const std::int64_t width = image[1] * scale, height = image[0] * scale,
                     text_height = (kGlyphHeight + kDescent) * kTextScale;
  const std::int64_t step_x = width + kMargin, step_y = height + kGap + text_height + kMargin;
  if (rows * step_y > 20'000 || columns * step_x > 20'000) {
    fail("data set `{}` ({}): images of {} (height, width, channels) are too large for a sheet",
         dataset.name, dataset.folder.string(), to_string(image));
  }

  Picture sheet(kMargin + rows * step_y, kMargin + columns * step_x, image[2], kPaper);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = kMargin + i / kColumns * step_y,
                       column = kMargin + i % kColumns * step_x;
    paste(sheet, dataset.pixels_of(i), image, scale, row, column);
    const std::string name =
        fitted(class_name(dataset, dataset.labels[static_cast<std::size_t>(i)]), step_x);
    draw_text(sheet, name, row + height + kGap, column + (width - text_width(name, kTextScale)) / 2,
              kTextScale, kInk);
  }
  return sheet;
}

void show_data(const Dataset& dataset, const std::filesystem::path& path) {
  write_png(path, data_sheet(dataset));
}

}  // namespace cnnc
