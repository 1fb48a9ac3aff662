// The command line of `cnnc`, as values.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "ir/base/type.h"
#include "ir/language/layer.h"

namespace cnnc {

enum class Command : std::uint8_t {
  summary,
  train,
  evaluate,
  predict,
  show_data,
  emit,
  run_passes,
  interpret,
  diff,
  time_passes,
  bench,
  explain,
  list_ops,
  list_layers,
  list_passes,
};

struct Options {
  Command command = Command::summary;
  std::string model;       // path; for the compiler's commands also FILE.graph or FILE.loops
  std::string data;        // folder; empty: the usual places
  std::string weights;     // read by --eval and --predict; empty: the model's stem + .safetensors
  std::string output;      // -o; empty: as above for --train, standard output for texts
  std::string init;        // weights to start training from
  std::string metrics;     // JSON lines
  bool overwrite = false;  // --train may replace weights
  std::vector<std::string> predictions;  // PNG files or indices of test images
  std::string picture;                   // of --show-data
  std::string stage;                     // of --emit
  std::string kernel;
  std::string listed;               // the row that --list-layers or its kin shows; empty: all
  std::string stop_after;           // the last pass of --emit's or --time-passes's
  std::string diff;                 // the pass of --diff
  std::vector<std::string> passes;  // of --run
  std::string inputs;               // tensors of --interpret
  std::string target;               // empty: this machine
  std::vector<std::string> skip;    // passes left out
  bool check_bounds = false;        // machine code checks its indices
  std::optional<Mode> mode;         // --for
  std::string json;                 // figures of --bench and --explain
  std::optional<std::int64_t> epochs, steps, batch, rounds;
  std::optional<double> learning_rate;
  std::int64_t seed = 1;
  int threads = 0;  // 0: all usable cores
  ScalarType real = ScalarType::f32;
  bool shuffle = true;
  bool profile = false;  // --bench: every kernel, too
};

/// Wrong usage: an unknown flag, a value out of range, flags that contradict each other. what() is
/// one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the arguments ask for, or a text to print (--help, --version). Throws UsageError.
std::variant<Options, std::string> parse_options(int argc, const char* const* argv);

}  // namespace cnnc
