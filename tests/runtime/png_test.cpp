#include "runtime/io/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "ir/base/diagnostic.h"
#include "runtime/pictures/font.h"
#include "runtime/pictures/show_data.h"

namespace cnnc {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string u32(std::size_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string chunk(const std::string& kind, const std::string& data) {
  const std::string body = kind + data;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return u32(data.size()) + body + u32(crc);
}
std::string deflated(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
           data.size());
  return out.substr(0, size);
}
const std::string kSignature = "\x89PNG\r\n\x1a\n";

/// A PNG from its parts, so that the reader is not tested against our own writer. `rows`: each with
/// its filter byte; `extra`: chunks before them.
std::string png_of(std::size_t width, std::size_t height, int depth, int colour_type,
                   const std::string& rows, const std::string& extra = {}, int interlace = 0) {
  return kSignature +
         chunk("IHDR", u32(width) + u32(height) + static_cast<char>(depth) +
                           static_cast<char>(colour_type) + std::string(2, '\0') +
                           static_cast<char>(interlace)) +
         extra + chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}
Picture decode(const std::string& bytes) {
  return decode_png(std::as_bytes(std::span(bytes)), "picture.png");
}
std::string error_of(const std::string& bytes) {
  try {
    decode(bytes);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("picture.png: "));
    return error.what();
  }
  return "no error";
}

Picture gradient(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Picture picture(height, width, channels);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] = static_cast<std::uint8_t>(i * 37 + i / 7);
  return picture;
}

TEST(Png, what_is_written_reads_back_the_same) {
  for (std::int64_t channels : {1, 3}) {
    for (auto [height, width] : {std::pair{1, 1}, {1, 300}, {300, 1}, {37, 53}}) {
      const Picture picture = gradient(height, width, channels);
      const Picture back = decode_png(encode_png(picture), "memory");
      EXPECT_EQ(back.height, height);
      EXPECT_EQ(back.width, width);
      EXPECT_EQ(back.channels, channels);
      EXPECT_EQ(back.pixels, picture.pixels);
      EXPECT_FALSE(back.ground);
    }
  }
}

TEST(Png, every_colour_type_becomes_8_bit_grey_or_rgb) {
  using namespace std::string_literals;
  struct Case {
    std::string name, bytes;
    std::int64_t channels;
    std::vector<std::uint8_t> pixels;
    bool alpha;
  };
  const std::string palette = chunk("PLTE", "\x0a\x14\x1e\xff\xff\xff"s);
  const std::vector<Case> cases = {
      {"1-bit grey", png_of(3, 1, 1, 0, "\0\xa0"s), 1, {255, 0, 255}, false},
      {"2-bit grey", png_of(4, 1, 2, 0, "\0\x1b"s), 1, {0, 85, 170, 255}, false},
      {"4-bit grey", png_of(2, 1, 4, 0, "\0\x0f"s), 1, {0, 255}, false},
      {"8-bit grey", png_of(2, 1, 8, 0, "\0\x07\xc8"s), 1, {7, 200}, false},
      {"16-bit grey", png_of(2, 1, 16, 0, "\0\x80\x80\xff\xff"s), 1, {128, 255}, false},
      {"8-bit RGB", png_of(1, 1, 8, 2, "\0\1\2\3"s), 3, {1, 2, 3}, false},
      {"16-bit RGB", png_of(1, 1, 16, 2, "\0\0\0\x80\x80\xff\xff"s), 3, {0, 128, 255}, false},
      {"palette", png_of(2, 1, 1, 3, "\0\x40"s, palette), 3, {10, 20, 30, 255, 255, 255}, false},
      {"palette with transparency",
       png_of(2, 1, 1, 3, "\0\x40"s, palette + chunk("tRNS", "\0"s)),
       3,
       {0, 0, 0, 255, 255, 255},
       true},
      {"grey and alpha", png_of(3, 1, 8, 4, "\0\x64\xff\x64\0\0\x80"s), 1, {100, 255, 127}, true},
      {"RGBA", png_of(2, 1, 8, 6, "\0\1\2\3\xff\1\2\3\0"s), 3, {1, 2, 3, 255, 255, 255}, true},
      {"grey with a transparent value",
       png_of(2, 1, 8, 0, "\0\7\x09"s, chunk("tRNS", "\0\7"s)),
       1,
       {255, 9},
       true},
      {"interlaced", png_of(2, 2, 8, 0, "\0\1\0\2\0\3\4"s, "", 1), 1, {1, 2, 3, 4}, false},
  };
  for (const Case& each : cases) {
    const Picture picture = decode(each.bytes);
    EXPECT_EQ(picture.channels, each.channels) << each.name;
    EXPECT_EQ(picture.pixels, each.pixels) << each.name;
    EXPECT_EQ(picture.ground.has_value(), each.alpha) << each.name;
  }
}

TEST(Png, transparency_is_laid_over_what_shows_the_strokes) {
  using namespace std::string_literals;
  struct Case {
    std::string name, bytes;
    std::uint8_t ground;
    std::vector<std::uint8_t> pixels;
  };
  const std::vector<Case> cases = {
      {"black strokes", png_of(3, 1, 8, 4, "\0\0\xff\0\0\0\x80"s), 255, {0, 255, 127}},
      {"white strokes", png_of(3, 1, 8, 4, "\0\xff\xff\xff\0\xff\x80"s), 0, {255, 0, 128}},
      {"nearly white ones", png_of(2, 1, 8, 4, "\0\xf0\xff\xff\0"s), 0, {240, 0}},
      {"grey ones", png_of(2, 1, 8, 4, "\0\x80\xff\0\0"s), 255, {128, 255}},
      {"all white", png_of(2, 1, 8, 4, "\0\xff\xff\xff\xff"s), 255, {255, 255}},
      {"all transparent", png_of(2, 1, 8, 4, "\0\x07\0\x09\0"s), 255, {255, 255}},
      {"white RGBA",
       png_of(2, 1, 8, 6, "\0\xff\xff\xff\xff\0\0\0\0"s),
       0,
       {255, 255, 255, 0, 0, 0}},
      {"yellow RGBA",
       png_of(2, 1, 8, 6, "\0\xff\xff\0\xff\0\0\0\0"s),
       255,
       {255, 255, 0, 255, 255, 255}},
  };
  for (const Case& each : cases) {
    const Picture picture = decode(each.bytes);
    EXPECT_EQ(picture.ground, each.ground) << each.name;
    EXPECT_EQ(picture.pixels, each.pixels) << each.name;
  }
}

TEST(Png, other_files_and_huge_ones_are_refused_with_the_reason) {
  EXPECT_THAT(error_of(""), HasSubstr("not a PNG file"));
  EXPECT_THAT(error_of("\xff\xd8\xff\xe0 a JPEG"), HasSubstr("not a PNG file"));
  EXPECT_THAT(error_of(png_of(100'000, 1, 8, 0, "")),
              AllOf(HasSubstr("100000x1 pixels (width x height)"), HasSubstr("limit is 16384")));
  EXPECT_THAT(error_of(png_of(16'000, 16'000, 8, 0, "")), HasSubstr("16000x16000 pixels"));
  EXPECT_THAT(error_of(png_of(0, 1, 8, 0, "")), HasSubstr("broken PNG"));
  EXPECT_THAT(error_of(png_of(1, 1, 3, 0, std::string(2, '\0'))), HasSubstr("broken PNG"));
  EXPECT_THAT(error_of(png_of(4, 4, 8, 0, std::string(10, '\0'))), HasSubstr("broken PNG"));
  EXPECT_THAT(error_of(png_of(1, 1, 8, 3, std::string(2, '\0'))),
              HasSubstr("broken PNG"));  // no palette
}

TEST(Png, every_truncation_and_flipped_byte_is_an_error_or_a_picture) {
  const auto encoded = encode_png(gradient(9, 7, 3));
  const std::string whole(reinterpret_cast<const char*>(encoded.data()), encoded.size());
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(error_of(whole.substr(0, length)), "no error") << length;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      error_of(changed);
    }
  }
}

TEST(Png, missing_files_and_folders_are_reported) {
  const auto error_at = [](const std::filesystem::path& path) -> std::string {
    try {
      read_png(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_at("/nonexistent.png"), HasSubstr("No such file"));
  EXPECT_THAT(error_at("/tmp"), HasSubstr("is a folder"));
}

TEST(Resize, keeps_a_picture_of_the_same_size_and_flat_ones_of_any) {
  const Picture picture = gradient(13, 17, 3);
  EXPECT_EQ(resize(picture, 13, 17).pixels, picture.pixels);
  for (std::int64_t height : {1, 2, 28, 100}) {
    for (std::int64_t width : {1, 3, 28, 77})
      EXPECT_THAT(resize(Picture(31, 9, 1, 201), height, width).pixels, Each(201));
  }
}

TEST(Resize, shrinking_averages_areas_and_growing_interpolates) {
  Picture row(1, 4, 1);
  row.pixels = {0, 100, 200, 60};
  EXPECT_THAT(resize(row, 1, 2).pixels, ElementsAre(50, 130));
  EXPECT_THAT(resize(row, 1, 3).pixels, ElementsAre(25, 150, 95));  // 4/3 pixels each
  EXPECT_THAT(resize(row, 1, 8).pixels, ElementsAre(0, 25, 75, 125, 175, 165, 95, 60));
  EXPECT_THAT(resize(row, 2, 1).pixels, ElementsAre(90, 90));
}

TEST(Resize, shrinking_keeps_the_mean) {
  const Picture picture = gradient(40, 60, 1);
  const auto mean = [](const Picture& p) {
    double sum = 0;
    for (auto value : p.pixels) sum += value;
    return sum / static_cast<double>(p.pixels.size());
  };
  for (std::int64_t side : {1, 7, 20, 28})
    EXPECT_NEAR(mean(resize(picture, side, side)), mean(picture), 0.5) << side;
}

TEST(FitPicture, says_what_was_converted) {
  EXPECT_EQ(fit_picture(Picture(28, 28, 1), {28, 28, 1}).conversion, "");
  EXPECT_EQ(fit_picture(Picture(32, 40, 3), {28, 28, 1}).conversion, "40x32 RGB -> 28x28 grey");
  EXPECT_EQ(fit_picture(Picture(28, 28, 1), {28, 28, 3}).conversion, "28x28 grey -> 28x28 RGB");
  Picture transparent(28, 28, 1);
  transparent.ground = 255;
  EXPECT_EQ(fit_picture(transparent, {28, 28, 1}, true).conversion,
            "transparency over white, inverted");
  EXPECT_EQ(fit_picture(Picture(5, 6, 3), {28, 14, 3}).pixels.size(), 28U * 14 * 3);
  EXPECT_THROW(fit_picture(Picture(5, 6, 3), {28, 28, 2}), Error);
}

TEST(FitPicture, inverts_on_request) {
  Picture paper(28, 28, 1, 255);
  paper.pixels[28 * 14 + 14] = 0;
  EXPECT_EQ(fit_picture(paper, {28, 28, 1}, true).pixels, inverted(paper).pixels);
}

TEST(IsBlank, compares_whole_pixels) {
  const std::vector<std::uint8_t> two = {1, 2, 3, 1, 2, 3}, other = {1, 2, 3, 1, 2, 4};
  EXPECT_TRUE(is_blank(two, {1, 2, 3}));
  EXPECT_FALSE(is_blank(other, {1, 2, 3}));
  EXPECT_FALSE(is_blank(two, {1, 6, 1}));
  EXPECT_FALSE(is_blank(std::span(two).first(1), {1, 1, 1})) << "one pixel is always like itself";
}

TEST(Font, every_character_differs_and_stays_in_its_cell) {
  std::set<std::string> shapes;  // of pixels
  for (char character = ' '; character <= '~'; ++character) {
    Picture cell(kGlyphHeight + kDescent, kGlyphAdvance, 1);
    draw_text(cell, std::string_view(&character, 1), 0, 0, 1, 255);
    shapes.emplace(cell.pixels.begin(), cell.pixels.end());
  }
  EXPECT_EQ(shapes.size(), 95U);
  Picture small(3, 3, 3);
  draw_text(small, "clipped \xff\x01", -5, -7, 4, 255);  // outside on every side
  EXPECT_EQ(text_width("ab", 2), 22);
}

Dataset tiny_dataset(std::int64_t count, Dims image) {
  Dataset data{.name = "tiny",
               .folder = {},
               .image = image,
               .pixels = {},
               .labels = {},
               .count = count,
               .class_names = {"a very long name of a class"}};
  data.pixels.assign(static_cast<std::size_t>(count * data.image_size()), 77);
  data.labels.assign(static_cast<std::size_t>(count), 0);
  return data;
}

TEST(ShowData, draws_up_to_ten_images_of_any_size) {
  for (std::int64_t count : {1, 4, 10, 25}) {
    for (const Dims& image : {Dims{28, 28, 1}, {32, 32, 3}, {1, 3, 1}, {400, 300, 3}}) {
      const Picture sheet = data_sheet(tiny_dataset(count, image));
      EXPECT_EQ(sheet.channels, image[2]);
      const auto shown = std::count(sheet.pixels.begin(), sheet.pixels.end(), 77);
      const std::int64_t scale = std::max<std::int64_t>(1, 224 / std::max(image[0], image[1]));
      EXPECT_EQ(shown,
                std::min<std::int64_t>(10, count) * image[0] * image[1] * image[2] * scale * scale);
    }
  }
}

TEST(ShowData, writes_a_png_that_reads_back) {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("cnnc-show-{}.png", ::getpid());
  show_data(tiny_dataset(10, {28, 28, 1}), path);
  EXPECT_EQ(read_png(path).pixels, data_sheet(tiny_dataset(10, {28, 28, 1})).pixels);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace cnnc
