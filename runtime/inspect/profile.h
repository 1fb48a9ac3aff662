// Where the time of a program goes: a row a kernel, predicted by the cost model and measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "passes/cost/kernel_cost.h"
#include "runtime/exec/executable.h"
#include "runtime/exec/threads.h"

namespace cnnc {

/// What predictions in seconds are made with.
struct MachineSpeed {
  double cycles_per_second = 0;        // of one core, in vector code
  double flops_per_second = 0;         // at best, of all threads together
  double bytes_per_second = 0;         // of memory, likewise
  double cached_bytes_per_second = 0;  // where kernels use no more than kCachedBytes

  /// What moving that many bytes takes.
  double seconds_to_move(double bytes) const {
    return bytes / (bytes <= kCachedBytes ? cached_bytes_per_second : bytes_per_second);
  }
  static constexpr double kCachedBytes = 32e6;
};

/// The clock rate that /proc/cpuinfo states; nothing where it states none.
std::optional<double> nominal_clock();
/// For predictions without a measurement, at `clock` cycles a second.
MachineSpeed nominal_speed(const Target& target, ScalarType real, int threads, double clock);

enum class Bound : std::uint8_t { compute, memory };
std::string_view name_of(Bound bound);

struct KernelProfile {
  std::string name;
  std::vector<std::pair<std::string, double>> layers;  // that it serves; shares of its work
  double flops = 0, bytes = 0;
  bool once = false;  // runs when weights have been set, not in a call: costs nothing here
  bool exact = true;  // whether those are counts, or depend on data
  double predicted_cycles = 0;  // from start to end, on one core's clock
  double predicted_seconds = 0;
  double seconds = 0;            // measured; 0 where it was not
  Bound bound = Bound::compute;  // which of the two it would take longer for at full speed
};

/// Predictions for a call with `count` rows.
std::vector<KernelProfile> predict_kernels(const Program& program, std::int64_t count, int threads,
                                           const Target& target, const MachineSpeed& speed);
/// Seconds from start to end that these predictions add up to.
double predicted_seconds(const std::vector<KernelProfile>& kernels);

/// Fills in `seconds`: medians of `rounds` calls.
void measure_kernels(std::vector<KernelProfile>& kernels, Executable& executable,
                     std::int64_t count, ThreadPool& pool, int rounds);

/// A row a kernel, with a row for each layer where a kernel serves several; short ones in one row;
/// totals. Where nothing was measured, only the predictions.
std::string kernel_table(const std::vector<KernelProfile>& kernels, const MachineSpeed& speed);

}  // namespace cnnc
