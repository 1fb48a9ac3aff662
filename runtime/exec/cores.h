// How many threads can run at a time.
#pragma once

#include <filesystem>

namespace cnnc {

/// Cores that this process may use, at least 1: those of its affinity mask, but no more than the
/// CPU quotas of the cgroups it is in (version 1 or 2, every level), rounded up. `root` is where
/// proc/ and sys/ lie.
int usable_cores(const std::filesystem::path& root = "/");

}  // namespace cnnc
