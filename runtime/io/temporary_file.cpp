// A name says nothing of whether the process that made the file lives: its number may be another's
// by now, or one in another container. A lock does, and ends with its process, however that ends.
#include "runtime/io/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>

namespace cnnc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = ".cnnc-", kSuffix = ".tmp";

bool is_name_of_ours(const std::string& name) {
  return name.size() > kPrefix.size() + kSuffix.size() && name.starts_with(kPrefix) &&
         name.ends_with(kSuffix) &&
         name.find_first_not_of("0123456789-", kPrefix.size()) == name.size() - kSuffix.size();
}

bool is_file_at(const fs::path& path, int fd) {
  struct stat named = {}, open = {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/// Removes the file unless somebody else's, in use, or replaced meanwhile.
void remove_if_left_over(const fs::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status = {};
  if (fd.is_open() && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
      status.st_uid == ::geteuid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 &&
      is_file_at(path, fd.get()))
    ::unlink(path.c_str());
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_name_of_ours(entry->path().filename().string())) remove_if_left_over(entry->path());
  }
}

/// rename(2) where there is no file of that name; some file systems need a hard link for that.
int rename_to_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

/// A rename is on the disk once its folder is. Some file systems cannot sync a folder; the rename
/// is as good as they make it.
void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.is_open()) (void)::fsync(fd.get());
}

}  // namespace

TemporaryFile::~TemporaryFile() {
  if (exists()) ::unlink(path_.c_str());
}

int TemporaryFile::create(const fs::path& folder) {
  remove_leftovers(folder);
  for (int attempt = 0;; ++attempt) {
    path_ = folder / fmt::format("{}{}-{}{}", kPrefix, ::getpid(), attempt, kSuffix);
    Descriptor fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!fd.is_open()) {
      if (errno == EEXIST && attempt < 1000) continue;
      return errno;
    }
    // Whoever locked it first took it for a leftover. File systems without locks keep leftovers.
    ::flock(fd.get(), LOCK_EX);
    if (!is_file_at(path_, fd.get())) continue;
    fd_ = std::move(fd);
    return 0;
  }
}

int TemporaryFile::reserve(std::size_t bytes) const {
  int error = 0;
  do {
    error = bytes == 0 ? 0 : ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error == EINVAL || error == EOPNOTSUPP ? 0 : error;
}

int TemporaryFile::set_mode(unsigned mode) const {
  return ::fchmod(fd_.get(), mode) == 0 ? 0 : errno;
}

int TemporaryFile::fill(std::span<const std::span<const std::byte>> parts) const {
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) return errno;
  off_t size = 0;
  for (const auto part : parts) {
    if (const int error = write_all(fd_.get(), part)) return error;
    size += static_cast<off_t>(part.size());
  }
  return ::ftruncate(fd_.get(), size) == 0 && ::fsync(fd_.get()) == 0 ? 0 : errno;
}

int TemporaryFile::publish(const fs::path& target, bool replace) {
  const int error = !replace                                       ? rename_to_new(path_, target)
                    : ::rename(path_.c_str(), target.c_str()) == 0 ? 0
                                                                   : errno;
  if (error != 0) return error;
  fd_.close();  // not before: the lock ends with it
  sync_folder(target.has_parent_path() ? target.parent_path() : fs::path("."));
  return 0;
}

}  // namespace cnnc
