// Where the weights of a training run go: not onto a finished network, and somewhere in any case.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/io/output_file.h"
#include "runtime/io/safetensors.h"
#include "runtime/tool/options.h"

namespace cnnc {

/// The file for weights like these, its space taken: that of -o, or the next free name where there
/// is one and no --overwrite. Throws Error as OutputFile does, and UsageError for a terminal.
OutputFile open_weights(const Options& options, const Tensors& weights);

struct SavedWeights {
  std::filesystem::path path;
  std::string trouble;  // why they are not in the file that was opened; empty: they are
};

/// Writes `weights` to `file`; where that fails, to a file of another name: beside it, in the
/// current folder, at home, in the folder for temporary files. Throws Error where none takes them.
SavedWeights save_weights(OutputFile& file, const Options& options, const Tensors& weights,
                          const Metadata& metadata);

}  // namespace cnnc
