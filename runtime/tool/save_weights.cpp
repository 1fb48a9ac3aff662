#include "runtime/tool/save_weights.h"

#include <unistd.h>

#include <cstdlib>
#include <system_error>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/tool/inputs.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRoomForMetadata = 4096;

std::vector<fs::path> other_places(const OutputFile& file, const Options& options) {
  const fs::path name = file.is_regular() ? file.path().filename()
                                          : fs::path(options.model).stem().concat(".safetensors");
  std::vector<fs::path> places;
  if (file.is_regular()) places.push_back(file.path());
  places.push_back(name);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    places.push_back(fs::path(home) / name);
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  if (!error) places.push_back(temporary / name);
  return places;
}

}  // namespace

OutputFile open_weights(const Options& options, const Tensors& weights) {
  const fs::path path = weights_path(options);
  if (is_standard_output(path) && ::isatty(STDOUT_FILENO) == 1)
    throw UsageError("-o -: weights are nothing for a terminal; send them to a file or a pipe");
  OutputFile file(path, safetensors_size(weights) + kRoomForMetadata,
                  options.overwrite ? Existing::replace : Existing::keep);
  if (!options.metrics.empty() && is_same_file(file.path(), options.metrics))
    throw UsageError(fmt::format("--metrics {} is where the weights go, since {} stays",
                                 options.metrics, path.string()));
  return file;
}

SavedWeights save_weights(OutputFile& file, const Options& options, const Tensors& weights,
                          const Metadata& metadata) {
  std::string trouble;
  try {
    write_safetensors(file, weights, metadata);
    return {file.path(), ""};
  } catch (const Error& error) {
    trouble = error.what();
  }
  for (const fs::path& place : other_places(file, options)) {
    try {
      OutputFile other(place, safetensors_size(weights) + kRoomForMetadata, Existing::keep);
      write_safetensors(other, weights, metadata);
      return {other.path(),
              fmt::format("{}; the weights are in {}", trouble, other.path().string())};
    } catch (const Error&) {  // the next place, then
    }
  }
  fail("{}, nor anywhere else: the weights are lost", trouble);
}

}  // namespace cnnc
