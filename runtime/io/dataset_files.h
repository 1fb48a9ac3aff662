// The files of a data set, found in folders. Declared for load_dataset alone; find_dataset and
// data_folders (runtime/io/dataset.h) are for everybody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "runtime/io/dataset.h"

namespace cnnc {

enum class Part : std::uint8_t { images, labels };

/// A file of the set in `folder`. Throws Error where it is missing, with what is there instead.
std::filesystem::path require_file(const std::filesystem::path& folder, std::string_view set,
                                   Split split, Part part);

/// Throws Error: no folder holds the set; with every folder and how to get it.
[[noreturn]] void fail_not_found(std::span<const std::filesystem::path> folders,
                                 std::string_view name);

}  // namespace cnnc
