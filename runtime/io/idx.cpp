#include "runtime/io/idx.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <system_error>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

/// deflate cannot do better than this (zlib's technical notes), so a header that promises more
/// lies.
constexpr std::int64_t kMaxCompressionRatio = 1032;
constexpr unsigned kChunk = 1U << 20;

struct CloseGzip {
  void operator()(gzFile file) const { gzclose_r(file); }
};

/// A plain or gzip file as one stream of bytes.
class Stream {
 public:
  explicit Stream(const std::filesystem::path& path) : name_(path.string()) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status = {};
    if (fd < 0 || ::fstat(fd, &status) != 0) {
      const int error = errno;
      if (fd >= 0) ::close(fd);
      fail("{}: cannot read: {}", name_, std::generic_category().message(error));
    }
    if (!S_ISREG(status.st_mode)) {
      ::close(fd);
      fail("{}: is {}, expected an IDX file", name_,
           S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
    }
    stored_ = status.st_size;
    file_.reset(gzdopen(fd, "rb"));
    if (!file_) {
      ::close(fd);
      fail("{}: cannot read: out of memory", name_);
    }
    gzbuffer(file_.get(), 1U << 17);
  }

  /// Up to `size` bytes; fewer only at the end. Throws Error where the compressed data are broken.
  std::int64_t read(std::uint8_t* to, std::int64_t size) {
    std::int64_t total = 0;
    while (total < size) {
      const int got = gzread(file_.get(), to + total,
                             static_cast<unsigned>(std::min<std::int64_t>(size - total, kChunk)));
      if (got < 0) fail_reading(position_ + total);
      if (got == 0) break;
      total += got;
    }
    position_ += total;
    if (total < size) check_end();
    return total;
  }

  /// The most bytes that can follow, by the size of the file.
  std::int64_t most_bytes() const {
    return gzdirect(file_.get()) != 0 ? stored_ : (stored_ + 1) * kMaxCompressionRatio;
  }
  std::int64_t position() const { return position_; }
  const std::string& name() const { return name_; }

 private:
  void check_end() {
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) {
      fail("{}: byte {}: the compressed data end here, in the middle; the file is truncated", name_,
           position_);
    }
    if (code != Z_OK && code != Z_STREAM_END) fail_reading(position_);
  }
  [[noreturn]] void fail_reading(std::int64_t position) {
    const int error = errno;
    int code = Z_OK;
    std::string_view message = gzerror(file_.get(), &code);
    // zlib names the file by its descriptor: "<fd:3>: invalid block type".
    if (message.starts_with("<fd:")) message.remove_prefix(message.find(": ") + 2);
    if (code == Z_ERRNO) fail("{}: cannot read: {}", name_, std::generic_category().message(error));
    if (code == Z_MEM_ERROR) fail("{}: cannot read: out of memory", name_);
    fail("{}: near byte {}: the compressed data are broken ({})", name_, position, message);
  }

  std::string name_;
  std::int64_t stored_ = 0;
  std::int64_t position_ = 0;
  std::unique_ptr<std::remove_pointer_t<gzFile>, CloseGzip> file_;
};

std::uint32_t read_u32(Stream& stream, std::string_view what) {
  const std::int64_t at = stream.position();
  std::array<std::uint8_t, 4> bytes = {};
  const auto got = stream.read(bytes.data(), 4);
  if (got < 4) {
    fail("{}: byte {}: the file ends in its header, expected {} (4 bytes, found {})", stream.name(),
         at, what, got);
  }
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

void check_magic(const std::string& name, std::uint32_t magic, int rank) {
  const std::uint32_t expected = 0x0800U | static_cast<std::uint32_t>(rank);
  if (magic == expected) return;
  const auto kind = [](std::uint32_t value) {
    const std::uint32_t found = value & 0xff;
    if (value == 0x0801U) return std::string("labels: unsigned bytes, 1 dimension");
    if (value == 0x0803U) return std::string("images: unsigned bytes, 3 dimensions");
    if ((value & 0xffffff00U) == 0x0800U)
      return fmt::format("unsigned bytes, {} dimensions", found);
    if (value >> 16 == 0 && (value & 0xff00U) >= 0x0900U && (value & 0xff00U) <= 0x0e00U) {
      return fmt::format("element type 0x{:02x}, {} dimensions", value >> 8, found);
    }
    return std::string("not an IDX file");
  };
  fail("{}: byte 0: magic number {} (0x{:08x}: {}), expected {} (0x{:08x}: {})", name, magic, magic,
       kind(magic), expected, expected, kind(expected));
}

/// The number of bytes that the dimensions promise, believable for this file.
std::int64_t promised_bytes(const Stream& stream, const Dims& dims) {
  const std::int64_t header = stream.position();
  const bool empty = std::find(dims.begin(), dims.end(), 0) != dims.end();
  const auto size =
      empty ? std::optional<std::int64_t>(0) : checked_element_count(dims, 1, kMaxIdxBytes);
  if (!size) {
    fail("{}: byte 4: sizes {} are more than the limit of {} bytes", stream.name(), to_string(dims),
         kMaxIdxBytes);
  }
  if (*size > stream.most_bytes() - header) {
    fail("{}: byte {}: truncated: sizes {} need {} bytes after the header, the file has at most {}",
         stream.name(), header, to_string(dims), *size,
         std::max<std::int64_t>(0, stream.most_bytes() - header));
  }
  return *size;
}

}  // namespace

IdxData read_idx(const std::filesystem::path& path, int rank) {
  Stream stream(path);
  check_magic(stream.name(), read_u32(stream, "the magic number"), rank);
  IdxData data;
  for (int i = 0; i < rank; ++i)
    data.dims.push_back(read_u32(stream, fmt::format("size {} of {}", i + 1, rank)));

  const std::int64_t size = promised_bytes(stream, data.dims);
  try {
    data.values.resize(static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    fail("{}: cannot read: out of memory for {} bytes", stream.name(), size);
  }
  const std::int64_t got = stream.read(data.values.data(), size);
  if (got < size) {
    fail("{}: byte {}: truncated: sizes {} need {} bytes after the header, found {}", stream.name(),
         stream.position(), to_string(data.dims), size, got);
  }
  std::uint8_t extra = 0;
  if (stream.read(&extra, 1) != 0) {
    fail("{}: byte {}: more bytes than the sizes {} in the header say", stream.name(),
         stream.position() - 1, to_string(data.dims));
  }
  return data;
}

}  // namespace cnnc
