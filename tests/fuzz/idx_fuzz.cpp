// IDX files, plain and gzip: an array of the size that its header says, or an error.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "runtime/io/idx.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

/// In memory where there is such a place: the reader takes paths.
std::filesystem::path scratch() {
  const std::filesystem::path shared = "/dev/shm";
  const auto folder =
      std::filesystem::is_directory(shared) ? shared : std::filesystem::temp_directory_path();
  return folder / fmt::format("cnnc_idx_fuzz_{}", getpid());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = scratch();
  std::ofstream(path, std::ios::binary) << fuzz::text_of(data, size);
  for (const int rank : {1, 3}) {
    try {
      const IdxData read = read_idx(path, rank);
      const bool none = std::ranges::find(read.dims, 0) != read.dims.end();
      const std::int64_t count = none ? 0 : element_count(read.dims, 1);
      fuzz::require(static_cast<int>(read.dims.size()) == rank, "the rank is what was asked for");
      fuzz::require(count == static_cast<std::int64_t>(read.values.size()), "the sizes fit");
    } catch (const Error& error) {
      fuzz::require_position(error, path.string());
    }
  }
  std::filesystem::remove(path);
  return 0;
}
