// How fast a model trains and infers here, next to what the machine can do: everything measured in
// turn, round after round, so that a machine whose speed drifts treats all alike.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/model.h"
#include "ir/target/target.h"
#include "runtime/inspect/profile.h"

namespace cnnc {

struct BenchmarkOptions {
  std::optional<std::int64_t> batch = {};  // nothing: the model's, else 128
  int threads = 0;                         // 0: all usable cores
  ScalarType real = ScalarType::f32;
  Target target = {};
  std::vector<std::string> skip = {};  // passes left out, in the fused programs too
  int rounds = 7;
  double seconds = 0.08;  // that a program runs in a round, at least
  bool profile = false;   // measure every kernel too
};

struct Spread {
  double median = 0, least = 0, most = 0;

  /// (most - least) / median
  double relative() const { return median > 0 ? (most - least) / median : 0; }
};
Spread spread_of(std::vector<double> values);
/// The value that `share` of them do not exceed: 0.5 the median, 0.99 the 99th percentile.
double percentile(std::vector<double> values, double share);

struct ProgramFigures {
  Spread images_per_second;
  Spread share_of_peak;  // of FLOP a second, against the peak of the same round
  double predicted_images_per_second = 0;
  double predicted_share_of_peak = 0;
  std::int64_t kernels = 0;
  std::int64_t arena_bytes = 0, arena_lower_bound = 0;
  std::int64_t scratch_bytes = 0, scratch_lower_bound = 0;  // all workers'
  double compile_seconds = 0;  // from the model to the callable program
  std::vector<KernelProfile> profile;
};

struct ModeFigures {
  double flops_per_image = 0;  // dense: 2 a multiply-add
  ProgramFigures fused, unfused;
  Spread speedup;  // fused against unfused, round by round
  Spread scaling;  // fused: all threads against one
};

/// One image at a time, on one thread.
struct LatencyFigures {
  double fused_median = 0, fused_99th = 0;  // seconds
  double unfused_median = 0, unfused_99th = 0;
};

struct BenchmarkResult {
  std::string model, target;
  std::int64_t batch = 0;
  int threads = 0, rounds = 0;
  ScalarType real = ScalarType::f32;
  Spread peak, peak_one_core;          // FLOP a second: all threads at once, one alone
  Spread peak_scaling;                 // all threads against one
  Spread bandwidth, cached_bandwidth;  // bytes a second, read and written, all threads
  MachineSpeed speed;                  // what the predictions were made with
  std::optional<ModeFigures> training;
  ModeFigures inference;
  std::optional<LatencyFigures> latency;
};

/// Measures. `progress` is called with what comes next. Throws Error for a model that is too large
/// for its batch or an unknown pass.
BenchmarkResult benchmark(const Model& model, const Language& language,
                          const BenchmarkOptions& options,
                          const std::function<void(std::string_view)>& progress);

/// The same figures from the cost model alone, at `clock` cycles a second; nothing is compiled to
/// machine code or run. Spreads are single values; latency is left out.
BenchmarkResult predict(const Model& model, const Language& language,
                        const BenchmarkOptions& options, double clock);

}  // namespace cnnc
