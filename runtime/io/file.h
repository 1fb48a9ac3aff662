// Whole files: read with a limit, written completely or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace cnnc {

/// The bytes of a regular file. Throws Error that names the file: missing, no permission, a folder
/// or device, more than `limit` bytes.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::int64_t limit);

/// Replaces `path` by the concatenated `parts`, or creates it: an OutputFile
/// (runtime/io/output_file.h) says how and what it throws. `-` is standard output.
void write_file(const std::filesystem::path& path,
                std::span<const std::span<const std::byte>> parts);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace cnnc
