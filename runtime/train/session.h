// A model with its weights and its two programs, one that trains and one that infers: what an
// application holds.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/model.h"
#include "ir/language/layer.h"
#include "ir/target/target.h"
#include "runtime/io/dataset.h"
#include "runtime/io/safetensors.h"

namespace cnnc {

struct SessionOptions {
  std::optional<std::int64_t> batch = {};  // most images a training step; nothing: the model's
  ScalarType real = ScalarType::f32;       // f32 or f64: of weights and arithmetic
  int threads = 0;                         // 0: all usable cores; not below
  std::uint64_t seed = 1;                  // of initial weights and of dropout
  std::optional<Target> target = {};       // nothing: this machine
  std::vector<std::string> skip = {};      // passes left out
  bool check_bounds = false;               // machine code checks its indices
};

/// Images with their labels, as rows of a batch.
struct Batch {
  std::vector<std::uint8_t> images;   // [count, height, width, channels]
  std::vector<std::int32_t> labels;   // [count]
  std::vector<std::int64_t> samples;  // [count]: their numbers in the data set, which key dropout

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
};

/// Images `indices` of `dataset`, in that order, into `batch` (whose memory is used again). Throws
/// Error for an index that is none of an image.
void gather(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch);

struct StepInputs {
  double learning_rate = 0;
  std::int64_t step = 1;   // over the whole run, from 1
  std::int64_t epoch = 1;  // from 1
};

struct StepResult {
  double loss = 0;           // mean over the rows, before the update
  std::int64_t correct = 0;  // rows whose greatest output was their label's
};

/// Movable, not copyable. Both programs are compiled when first needed. Methods throw Error where
/// the model or the caller's data do not allow what is asked, and where there is no memory for a
/// program's; the session can be used as before then. Threads may share a session: its calls wait
/// for each other.
class Session {
 public:
  /// Weights start as initialize(options.seed) makes them. Throws Error for a batch out of range or
  /// a model too large.
  Session(Model model, Language language, SessionOptions options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const Model& model() const;
  const Language& language() const;
  const SessionOptions& options() const;  // batch and target filled in
  const std::vector<Parameter>& parameters() const;
  std::int64_t image_size() const;    // bytes of one image
  std::int64_t classes() const;       // values that the model yields for one image
  bool yields_probabilities() const;  // ... and what they are; otherwise any numbers
  int threads() const;

  /// Starts again: weights keyed by (seed, name), running statistics and optimizer states as at the
  /// start.
  void initialize(std::uint64_t seed);
  /// Takes weights as fit_weights checks them (`source` is what its messages name); optimizer
  /// states become zero.
  void set_weights(const Tensors& weights, std::string_view source = "weights");
  /// Parameters and running statistics by name.
  Tensors weights();

  /// Compiles the training step, from the model to the callable program, and says how long it took
  /// (zero when it was there already).
  std::chrono::duration<double> compile_training();
  /// The same for the program that infers.
  std::chrono::duration<double> compile_inference();
  /// One step of the optimizer on 1 .. batch rows.
  StepResult train_step(const Batch& batch, const StepInputs& inputs);
  /// What the model yields for each of `images` (any number): [count, classes()].
  std::vector<double> infer(std::span<const std::uint8_t> images);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cnnc
