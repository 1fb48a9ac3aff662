#include "runtime/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "ir/diagnostic.h"

namespace cnnc {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// A file descriptor that closes itself; close errors matter only where close() is called.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

/// Returns 0 or the errno of the failure.
int write_all(int fd, std::span<const std::span<const std::byte>> parts) {
  for (auto part : parts) {
    while (!part.empty()) {
      const ssize_t written = ::write(fd, part.data(), part.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      part = part.subspan(static_cast<std::size_t>(written));
    }
  }
  return 0;
}

/// Creates a file of its own beside `target`, with the permissions that a new file (or the old one,
/// `mode`) has.
std::pair<std::filesystem::path, int> create_beside(const std::filesystem::path& target) {
  for (int attempt = 0;; ++attempt) {
    auto path = target.parent_path() / fmt::format(".cnnc-{}-{}.tmp", ::getpid(), attempt);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST || attempt == 1000) return {std::move(path), fd};
  }
}

/// A rename is on the disk once its folder is. Some file systems cannot sync a folder; the rename
/// is as good as they make it.
void sync_folder(const std::filesystem::path& file) {
  const auto folder = file.parent_path();
  const Descriptor fd(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) (void)::fsync(fd.get());
}

void replace_file(const std::filesystem::path& target, const struct stat* old,
                  std::span<const std::span<const std::byte>> parts) {
  const auto [temporary, raw] = create_beside(target);
  if (raw < 0) {
    fail("{}: cannot write beside it: {}", target.string(), reason(errno));
  }
  Descriptor fd(raw);
  int error = 0;
  if (old != nullptr && ::fchmod(fd.get(), old->st_mode & 07777) != 0) error = errno;
  if (error == 0) error = write_all(fd.get(), parts);
  if (error == 0 && ::fsync(fd.get()) != 0) error = errno;
  if (!fd.close() && error == 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    fail("{}: cannot write: {}{}", target.string(), reason(error),
         old != nullptr ? "; the old file is unchanged" : "");
  }
  sync_folder(target);
}

void write_directly(const std::filesystem::path& target,
                    std::span<const std::span<const std::byte>> parts) {
  Descriptor fd(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
  int error = fd.get() < 0 ? errno : write_all(fd.get(), parts);
  if (!fd.close() && error == 0) error = errno;
  if (error != 0) fail("{}: cannot write: {}", target.string(), reason(error));
}

}  // namespace

std::vector<std::byte> read_file(const std::filesystem::path& path, std::int64_t limit) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0)
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
  std::error_code ignored;
  auto target = path;
  if (std::filesystem::is_symlink(path, ignored)) {
    const auto resolved = std::filesystem::weakly_canonical(path, ignored);
    if (!ignored) target = resolved;
  }
  struct stat old = {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode))
    fail("{}: is a folder, expected a file to write", path.string());
  if (exists && !S_ISREG(old.st_mode)) return write_directly(target, parts);
  // Renaming needs no permission on the old file; whoever made it read-only meant it.
  if (exists && ::access(target.c_str(), W_OK) != 0)
    fail("{}: cannot write: {}", path.string(), reason(errno));
  replace_file(target, exists ? &old : nullptr, parts);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file(path, std::span(&part, 1));
}

}  // namespace cnnc
