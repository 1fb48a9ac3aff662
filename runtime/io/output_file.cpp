#include "runtime/io/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;          // as the kernel has it
constexpr std::size_t kMaxName = 255;  // bytes

std::string reason(int error) { return std::generic_category().message(error); }

/// A link to nothing is there, too.
bool is_there(const fs::path& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Renaming needs no permission on the old file; whoever made it read-only meant it.
int permission_to_write(const fs::path& path, const struct stat& status) {
  if ((status.st_mode & 0222) == 0) return EACCES;
  return ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
}

fs::path numbered(const fs::path& path, int number) {
  const std::string ending = fmt::format("-{}{}", number, path.extension().string());
  std::string stem = path.stem().string();
  stem.resize(std::min(stem.size(), kMaxName - std::min(kMaxName, ending.size())));
  return path.parent_path() / (stem + ending);
}

}  // namespace

int open_to_write(const fs::path& path, int flags) {
  constexpr timespec kWait{0, 20'000'000};
  for (;;) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | flags, 0666);
    if (fd >= 0) {
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
      return fd;
    }
    if (errno != ENXIO || ::nanosleep(&kWait, nullptr) != 0) return -1;
  }
}

bool is_standard_output(const fs::path& path) { return path == "-" || path == "/dev/stdout"; }

std::string shown_name(const fs::path& path) {
  return is_standard_output(path) ? "standard output" : path.string();
}

fs::path follow_links(const fs::path& path) {
  fs::path target = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    std::error_code error;
    const fs::path next = fs::read_symlink(target, error);
    if (error) break;  // no link
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target;
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  if (is_standard_output(a) || is_standard_output(b))
    return is_standard_output(a) && is_standard_output(b);
  struct stat first = {}, second = {};
  if (::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0)
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  std::error_code error;  // unreadable: reported when it is opened
  const auto resolved = [&](const fs::path& path) {
    return fs::weakly_canonical(fs::absolute(follow_links(path), error), error);
  };
  return resolved(a) == resolved(b);
}

OutputFile::OutputFile(fs::path path, std::size_t bytes, Existing existing)
    : wanted_(std::move(path)), path_(wanted_), existing_(existing) {
  const bool standard = is_standard_output(wanted_);
  struct stat old = {};
  exists_ = !standard && ::stat(wanted_.c_str(), &old) == 0;
  if (!exists_ && !standard && errno != ENOENT)
    fail("{}: cannot write: {}", path_.string(), reason(errno));
  if (exists_ && S_ISDIR(old.st_mode))
    fail("{}: is a folder, expected a file to write", path_.string());
  if (standard || (exists_ && !S_ISREG(old.st_mode))) {
    open_directly();
    return;
  }
  if (exists_) {
    if (const int error = permission_to_write(wanted_, old))
      fail("{}: cannot write: {}", path_.string(), reason(error));
  }
  target_ = follow_links(wanted_);
  if (!replaces()) take_free_name();
  reserve(bytes);
  if (const int error = exists_ ? temporary_.set_mode(old.st_mode & 07777) : 0)
    fail("{}: cannot write beside it: {}", path_.string(), reason(error));
}

void OutputFile::reserve(std::size_t bytes) {
  const fs::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
  if (!is_there(folder))
    fail("{}: cannot write: there is no folder {}", path_.string(), folder.string());
  if (const int error = temporary_.create(folder))
    fail("{}: cannot write beside it: {}", path_.string(), reason(error));
  if (const int error = temporary_.reserve(bytes))
    fail("{}: cannot write {} bytes: {}{}", path_.string(), bytes, reason(error), unchanged());
}

void OutputFile::open_directly() {
  direct_ = Descriptor(is_standard_output(wanted_) ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                                   : open_to_write(wanted_, 0));
  if (direct_.is_open() && (::fcntl(direct_.get(), F_GETFL) & O_ACCMODE) == O_RDONLY) {
    direct_.close();
    errno = EBADF;
  }
  if (!direct_.is_open()) fail("{}: cannot write: {}", shown_name(path_), reason(errno));
}

/// Whether the file of that name may go.
bool OutputFile::replaces() const {
  struct stat status = {};
  return existing_ == Existing::replace || !is_there(target_) ||
         (::stat(target_.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0);
}

void OutputFile::take_free_name() {
  int number = 2;
  while (is_there(numbered(wanted_, number))) ++number;
  path_ = target_ = numbered(wanted_, number);
}

void OutputFile::keep_existing() {
  existing_ = Existing::keep;
  if (is_regular() && !replaces()) take_free_name();
}

void OutputFile::write(std::span<const std::span<const std::byte>> parts) {
  int error = 0;
  if (is_regular()) {
    error = temporary_.fill(parts);
    if (error == 0) return publish();
  } else {
    std::fflush(stdout);
    for (const auto part : parts)
      if (error == 0) error = write_all(direct_.get(), part);
    if (!direct_.close() && error == 0) error = errno;
    if (error == 0) return;
  }
  fail("{}: cannot write: {}", shown_name(path_), reason(error));
}

void OutputFile::write(std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write(std::span(&part, 1));
}

std::string_view OutputFile::unchanged() const {
  return exists_ && path_ == wanted_ ? "; the old file is unchanged" : "";
}

void OutputFile::publish() {
  for (;;) {
    const bool empty = is_there(target_) && replaces();
    // A file that somebody makes in between stays, too.
    const int error = temporary_.publish(target_, existing_ == Existing::replace || empty);
    if (error == 0) return;
    if (error == EEXIST)
      take_free_name();
    else
      fail("{}: cannot write: {}{}", path_.string(), reason(error), unchanged());
  }
}

}  // namespace cnnc
