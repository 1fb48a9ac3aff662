// The file that a new one is written to before it takes its place.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "runtime/io/descriptor.h"

namespace cnnc {

/// A file of its own in `folder`, gone with this object unless it was published. It is locked while
/// its process lives: those of processes that were killed are not, and making one removes them.
/// What returns an int returns 0 or the errno of the failure.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  ~TemporaryFile();
  TemporaryFile(TemporaryFile&&) noexcept = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  /// Makes the file.
  int create(const std::filesystem::path& folder);
  /// Takes the space for `bytes`, where the file system can say beforehand that it has it.
  int reserve(std::size_t bytes) const;
  int set_mode(unsigned mode) const;  // permissions
  /// Makes these the contents, on the disk.
  int fill(std::span<const std::span<const std::byte>> parts) const;
  /// Moves it to `target`, in the same folder. EEXIST where there is a file, unless it may
  /// `replace` that.
  int publish(const std::filesystem::path& target, bool replace);

  bool exists() const { return fd_.is_open(); }

 private:
  std::filesystem::path path_;
  Descriptor fd_;
};

}  // namespace cnnc
