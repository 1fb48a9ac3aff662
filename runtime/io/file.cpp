#include "runtime/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <system_error>

#include "ir/base/diagnostic.h"
#include "runtime/io/output_file.h"

namespace cnnc {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

std::vector<std::byte> read_file(const std::filesystem::path& path, std::int64_t limit) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0)
    fail("{}: cannot read: {}", path.string(), reason(errno));
  if (S_ISDIR(status.st_mode)) fail("{}: is a folder, expected a file", path.string());
  if (!S_ISREG(status.st_mode)) fail("{}: is not a regular file", path.string());
  if (status.st_size > limit) {
    fail("{}: {} bytes, more than the limit of {} for such a file", path.string(), status.st_size,
         limit);
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("{}: cannot read: {}", path.string(), reason(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

void write_file(const std::filesystem::path& path,
                std::span<const std::span<const std::byte>> parts) {
  std::size_t bytes = 0;
  for (const auto part : parts) bytes += part.size();
  OutputFile(path, bytes).write(parts);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  OutputFile(path, text.size()).write(text);
}

}  // namespace cnnc
