// A file that is written completely or not at all, with its space taken before there is anything to
// write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "runtime/io/descriptor.h"
#include "runtime/io/temporary_file.h"

namespace cnnc {

/// Whether `path` is `-`, for standard output (`./-` is a file), or its name in /dev.
bool is_standard_output(const std::filesystem::path& path);

/// `path` as messages name it.
std::string shown_name(const std::filesystem::path& path);

/// The file that open(2) makes of `path`: links are followed, to a file that does not exist yet,
/// too. In a circle of links, one of them.
std::filesystem::path follow_links(const std::filesystem::path& path);

/// Whether both lead to one file (the same device and inode), or will once it is there.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// open(2) to write, with `flags` more. A pipe opens once somebody reads it: a signal whose handler
/// returns ends that wait, which open itself would begin again. Returns -1 and sets errno where it
/// fails.
int open_to_write(const std::filesystem::path& path, int flags);

/// What becomes of a file that is there already, unless it is empty: the new one replaces it, or is
/// called NAME-2.EXTENSION, NAME-3.EXTENSION ..., the first that is free.
enum class Existing : std::uint8_t { replace, keep };

/// At any moment, and after any failure (Error with the reason), the file holds either its old
/// contents or all of the new. Devices, pipes and standard output are written directly.
class OutputFile {
 public:
  /// Throws Error for what can be known now: a folder, no permission for the file (also for root,
  /// where nobody has it) or beside it, a name that is too long, too little space for `bytes`.
  OutputFile(std::filesystem::path path, std::size_t bytes, Existing existing = Existing::replace);

  /// With Existing::keep this may be another than the one that was asked for.
  const std::filesystem::path& path() const { return path_; }
  bool is_regular() const { return temporary_.exists(); }

  /// From now on as with Existing::keep.
  void keep_existing();
  /// The concatenated `parts` become the file. path() says where, in the end.
  void write(std::span<const std::span<const std::byte>> parts);
  void write(std::string_view text);

 private:
  void open_directly();
  void reserve(std::size_t bytes);
  void take_free_name();
  bool replaces() const;
  std::string_view unchanged() const;
  void publish();

  std::filesystem::path wanted_, path_, target_;  // given; as it is called; links followed
  Existing existing_;
  bool exists_ = false;      // there was a file at the start
  TemporaryFile temporary_;  // of a regular file
  Descriptor direct_;        // of anything else
};

}  // namespace cnnc
