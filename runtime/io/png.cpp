// libpng reports errors by longjmp, which must not skip a destructor: the functions that call
// setjmp hold plain data only, and everything that they fill belongs to their caller.
#include "runtime/io/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "ir/base/diagnostic.h"
#include "runtime/io/file.h"

namespace cnnc {
namespace {

constexpr std::int64_t kMaxFile = std::int64_t{1} << 28;

/// What libpng's callbacks see, in both directions.
struct Session {
  std::span<const std::byte> input;
  std::vector<std::byte>* output = nullptr;
  std::array<char, 160> message = {};
  bool out_of_memory = false;
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& session = *static_cast<Session*>(png_get_error_ptr(png));
  std::strncpy(session.message.data(), message, session.message.size() - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t size) {
  auto& session = *static_cast<Session*>(png_get_io_ptr(png));
  if (size > session.input.size()) png_error(png, "the file is truncated");
  std::memcpy(to, session.input.data(), size);
  session.input = session.input.subspan(size);
}

void on_write(png_structp png, png_bytep from, std::size_t size) {
  auto& session = *static_cast<Session*>(png_get_io_ptr(png));
  try {  // no exception may cross libpng's frames
    const auto* bytes = reinterpret_cast<const std::byte*>(from);
    session.output->insert(session.output->end(), bytes, bytes + size);
  } catch (const std::bad_alloc&) {
    session.out_of_memory = true;
  }
  if (session.out_of_memory) png_error(png, "no memory");
}
void on_flush(png_structp) {}

/// Tells a full memory from a broken file: libpng reports both in the same way.
png_voidp on_allocate(png_structp png, png_alloc_size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) static_cast<Session*>(png_get_mem_ptr(png))->out_of_memory = true;
  return memory;
}
void on_free(png_structp, png_voidp memory) { std::free(memory); }

struct Size {
  std::int64_t height = 0, width = 0, channels = 0;  // channels: 1 to 4 as decoded, alpha last
};

/// The header, with every transformation to 8-bit grey, grey + alpha, RGB or RGBA set up. False
/// after an error.
bool read_header(png_structp png, png_infop info, Size& size) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_user_limits(png, kMaxPngSide, kMaxPngSide);
  png_set_chunk_malloc_max(png, 1U << 23);
  png_read_info(png, info);
  png_set_expand(png);  // palettes, fewer than 8 bits, tRNS
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size = {png_get_image_height(png, info), png_get_image_width(png, info),
          png_get_channels(png, info)};
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

bool write_rows(png_structp png, png_infop info, const Picture& picture, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.width),
               static_cast<png_uint_32>(picture.height), 8,
               picture.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_write_image(png, rows);
  png_write_end(png, info);
  return true;
}

/// libpng's two structures, freed on every way out.
struct Reader {
  Session session;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Reader(std::span<const std::byte> bytes) : session{.input = bytes} {
    png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning, &session,
                                   on_allocate, on_free);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info != nullptr) png_set_read_fn(png, &session, on_read);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};
struct Writer {
  Session session;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Writer(std::vector<std::byte>& bytes) : session{.input = {}, .output = &bytes} {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info != nullptr) png_set_write_fn(png, &session, on_write, on_flush);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

std::vector<png_bytep> rows_of(std::uint8_t* pixels, std::int64_t height, std::int64_t row_bytes) {
  std::vector<png_bytep> rows;
  rows.reserve(static_cast<std::size_t>(height));
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(pixels + y * row_bytes);
  return rows;
}

std::uint8_t laid_over(unsigned ground, unsigned colour, unsigned alpha) {
  return static_cast<std::uint8_t>((colour * alpha + ground * (255 - alpha) + 127) / 255);
}

/// How far apart the values of a channel are, of grey + alpha or RGBA over `ground`.
int contrast_over(unsigned ground, std::span<const std::uint8_t> pixels, std::size_t colours) {
  int contrast = 0;
  for (std::size_t c = 0; c < colours; ++c) {
    int low = 255, high = 0;
    for (std::size_t at = 0; at < pixels.size(); at += colours + 1) {
      const int value = laid_over(ground, pixels[at + c], pixels[at + colours]);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    contrast = std::max(contrast, high - low);
  }
  return contrast;
}

/// White, but for strokes that are hardly seen on white and better on black.
std::uint8_t choose_ground(std::span<const std::uint8_t> pixels, std::size_t colours) {
  constexpr int kVisible = 32;
  const int on_white = contrast_over(255, pixels, colours);
  return on_white < kVisible && contrast_over(0, pixels, colours) > on_white ? 0 : 255;
}

/// Grey + alpha or RGBA, in place, to grey or RGB.
void lay_over(std::uint8_t ground, std::vector<std::uint8_t>& pixels, std::size_t colours) {
  std::size_t to = 0;
  for (std::size_t from = 0; from < pixels.size(); from += colours + 1) {
    for (std::size_t c = 0; c < colours; ++c)
      pixels[to++] = laid_over(ground, pixels[from + c], pixels[from + colours]);
  }
  pixels.resize(to);
}

void check_size(const Size& size, std::string_view name) {
  if (size.height > kMaxPngSide || size.width > kMaxPngSide ||
      size.height * size.width > kMaxPngPixels) {
    fail("{}: byte 16: {}x{} pixels (width x height), the limit is {} a side and {} in all", name,
         size.width, size.height, kMaxPngSide, kMaxPngPixels);
  }
}

[[noreturn]] void fail_for_memory(std::string_view name, const Size& size) {
  if (size.width == 0) fail("{}: out of memory", name);
  fail("{}: out of memory for its {}x{} pixels (width x height)", name, size.width, size.height);
}

/// The size in the header as it stands, since libpng's own message for a huge picture does not say
/// it.
void check_signature(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0) {
    fail("{}: byte 0: not a PNG file (its first bytes are not a PNG's); convert the picture to PNG",
         name);
  }
  if (bytes.size() < 24) return;
  const auto* header = reinterpret_cast<png_const_bytep>(bytes.data()) + 16;
  check_size(
      {.height = png_get_uint_32(header + 4), .width = png_get_uint_32(header), .channels = 0},
      name);
}

}  // namespace

Picture decode_png(std::span<const std::byte> bytes, std::string_view name) {
  check_signature(bytes, name);
  Reader reader(bytes);
  Size size;
  if (reader.info == nullptr) fail_for_memory(name, size);
  const auto broken = [&] {
    if (reader.session.out_of_memory) fail_for_memory(name, size);
    const std::size_t read = bytes.size() - reader.session.input.size();
    fail("{}: byte {}: broken PNG: {}", name, read, reader.session.message.data());
  };
  if (!read_header(reader.png, reader.info, size)) broken();
  check_size(size, name);
  CNNC_CHECK(size.channels >= 1 && size.channels <= 4, "{} channels from libpng", size.channels);

  Picture picture;
  try {
    picture = Picture(size.height, size.width, size.channels);
  } catch (const std::bad_alloc&) {
    fail_for_memory(name, size);
  }
  auto rows = rows_of(picture.pixels.data(), size.height, size.width * size.channels);
  if (!read_rows(reader.png, rows.data())) broken();
  picture.channels = size.channels <= 2 ? 1 : 3;
  if (size.channels % 2 == 0) {
    const auto colours = static_cast<std::size_t>(picture.channels);
    picture.ground = choose_ground(picture.pixels, colours);
    lay_over(*picture.ground, picture.pixels, colours);
  }
  return picture;
}

Picture read_png(const std::filesystem::path& path) {
  return decode_png(read_file(path, kMaxFile), path.string());
}

std::vector<std::byte> encode_png(const Picture& picture) {
  CNNC_CHECK(picture.channels == 1 || picture.channels == 3, "{} channels", picture.channels);
  CNNC_CHECK(picture.height > 0 && picture.width > 0, "{}x{} pixels", picture.height,
             picture.width);
  std::vector<std::byte> bytes;
  Writer writer(bytes);
  CNNC_CHECK(writer.info != nullptr, "no memory to encode a PNG");
  // libpng writes from the rows only, whatever its signature says.
  auto rows = rows_of(const_cast<std::uint8_t*>(picture.pixels.data()), picture.height,
                      picture.width * picture.channels);
  if (!write_rows(writer.png, writer.info, picture, rows.data())) {
    CNNC_CHECK(false, "cannot encode a PNG: {}", writer.session.message.data());
  }
  return bytes;
}

void write_png(const std::filesystem::path& path, const Picture& picture) {
  const auto bytes = encode_png(picture);
  const std::span<const std::byte> part = bytes;
  write_file(path, std::span(&part, 1));
}

}  // namespace cnnc
