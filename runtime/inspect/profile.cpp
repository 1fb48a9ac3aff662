#include "runtime/inspect/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>

#include "runtime/inspect/text_table.h"

namespace cnnc {
namespace {

constexpr std::size_t kWidestName = 44;
constexpr double kShown = 0.0005;     // share of a kernel or layer that gets a row of its own
constexpr double kBytesPerCycle = 4;  // of memory, for all cores together
constexpr double kCachedBytesPerCycle = 16;  // of a core's and shared caches, a core

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::string shortened(const std::string& name) {
  if (name.size() <= kWidestName) return name;
  const std::size_t half = (kWidestName - 3) / 2;
  return name.substr(0, half) + "..." + name.substr(name.size() - half);
}

/// The layers by their share of the kernel's work, greatest first.
std::vector<std::pair<std::string, double>> layer_shares(const Program& program,
                                                         const Kernel& kernel,
                                                         const KernelCost& cost) {
  std::vector<std::pair<std::string, double>> shares;
  for (const auto& [layer, work] : by_layer(program, kernel, cost)) {
    shares.emplace_back(layer, cost.work.cycles > 0 ? work.cycles / cost.work.cycles : 0);
  }
  std::ranges::stable_sort(shares,
                           [](const auto& a, const auto& b) { return a.second > b.second; });
  return shares;
}

/// Sums of what the rows have.
KernelProfile sum_of(std::span<const KernelProfile> kernels) {
  KernelProfile all;
  for (const auto& kernel : kernels) {
    all.flops += kernel.flops, all.bytes += kernel.bytes, all.exact &= kernel.exact;
    all.seconds += kernel.seconds, all.predicted_seconds += kernel.predicted_seconds;
    all.predicted_cycles += kernel.predicted_cycles;
  }
  return all;
}

std::string served(const KernelProfile& kernel) {
  if (kernel.layers.empty()) return "";
  if (kernel.layers.size() == 1) return kernel.layers.front().first;
  return fmt::format("{} layers", kernel.layers.size());
}

class KernelTable {
 public:
  KernelTable(std::span<const KernelProfile> kernels, const MachineSpeed& speed)
      : kernels_(kernels), speed_(speed), all_(sum_of(kernels)), measured_(all_.seconds > 0) {}

  TextTable build() {
    table_.left = 2;
    table_.totals = true;
    table_.rows.push_back({"kernel", "serves", "share", "us", "GFLOP/s", "of peak", "MFLOP",
                           "MB moved", "bound", measured_ ? "predicted us" : "kilocycles"});
    std::vector<KernelProfile> rest;
    for (const auto& kernel : kernels_) {
      if (share(seconds_of(kernel)) < kShown) {
        rest.push_back(kernel);
        continue;
      }
      add(kernel, shortened(kernel.name), served(kernel), name_of(kernel.bound));
      add_layers(kernel);
    }
    if (rest.size() == 1) add(rest[0], shortened(rest[0].name), served(rest[0]), "");
    if (rest.size() > 1) add(sum_of(rest), fmt::format("{} shorter ones", rest.size()), "", "");
    add(all_, "all", "", "");
    return std::move(table_);
  }

 private:
  double seconds_of(const KernelProfile& kernel) const {
    return measured_ ? kernel.seconds : kernel.predicted_seconds;
  }
  double share(double seconds) const {
    return seconds_of(all_) > 0 ? seconds / seconds_of(all_) : 0;
  }
  static std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

  void add(const KernelProfile& kernel, std::string name, std::string layers,
           std::string_view bound) {
    const double seconds = seconds_of(kernel), rate = seconds > 0 ? kernel.flops / seconds : 0;
    const char* about = kernel.exact ? "" : "~";
    table_.rows.push_back({std::move(name), std::move(layers), percent(share(seconds)),
                           fmt::format("{:.1f}", 1e6 * seconds),
                           fmt::format("{}{:.1f}", about, rate / 1e9),
                           fmt::format("{}{:.2f}", about, rate / speed_.flops_per_second),
                           fmt::format("{}{:.3f}", about, kernel.flops / 1e6),
                           fmt::format("{:.3f}", kernel.bytes / 1e6), std::string(bound),
                           fmt::format("{:.1f}", measured_ ? 1e6 * kernel.predicted_seconds
                                                           : kernel.predicted_cycles / 1e3)});
  }

  void add_layers(const KernelProfile& kernel) {
    if (kernel.layers.size() < 2) return;
    std::string others;
    for (const auto& [layer, part] : kernel.layers) {
      const double of_all = share(part * seconds_of(kernel));
      if (of_all >= kShown)
        table_.rows.push_back({"", "  " + layer, percent(of_all)});
      else
        others += (others.empty() ? "  " : ", ") + layer;
    }
    if (others.size() > kWidestName) others = "  others";
    if (!others.empty()) table_.rows.push_back({"", others});
  }

  std::span<const KernelProfile> kernels_;
  const MachineSpeed& speed_;
  KernelProfile all_;
  bool measured_;
  TextTable table_;
};

}  // namespace

std::optional<double> nominal_clock() {
  std::ifstream file("/proc/cpuinfo");
  std::optional<double> clock;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    double number = 0;
    if (const auto at = line.rfind(" @ "); line.starts_with("model name") && at != line.npos)
      if (std::istringstream(line.substr(at + 3)) >> number) return number * 1e9;  // 2.30GHz
    if (const auto at = line.find(": "); line.starts_with("cpu MHz") && at != line.npos)
      if (std::istringstream(line.substr(at + 2)) >> number) clock = number * 1e6;
  }
  return clock;
}

MachineSpeed nominal_speed(const Target& target, ScalarType real, int threads, double clock) {
  return {.cycles_per_second = clock,
          .flops_per_second = clock * threads * peak_flops_per_cycle(target, real),
          .bytes_per_second = clock * kBytesPerCycle,
          .cached_bytes_per_second = clock * kCachedBytesPerCycle * threads};
}

std::string_view name_of(Bound bound) { return bound == Bound::compute ? "compute" : "memory"; }

std::vector<KernelProfile> predict_kernels(const Program& program, std::int64_t count, int threads,
                                           const Target& target, const MachineSpeed& speed) {
  std::vector<KernelProfile> kernels;
  for (const Kernel& kernel : program.kernels) {
    const KernelCost cost = cost_of(program, kernel, count, threads, target);
    KernelProfile profile;
    profile.name = kernel.name;
    profile.layers = layer_shares(program, kernel, cost);
    profile.flops = cost.work.flops;
    profile.bytes = cost.bytes();
    profile.exact = cost.exact;
    profile.once = kernel.once;
    const double memory_seconds = speed.seconds_to_move(cost.bytes());
    if (!kernel.once)
      profile.predicted_cycles =
          std::max(cost.elapsed_cycles, memory_seconds * speed.cycles_per_second);
    profile.predicted_seconds = profile.predicted_cycles / speed.cycles_per_second;
    profile.bound =
        cost.work.flops / speed.flops_per_second >= memory_seconds ? Bound::compute : Bound::memory;
    kernels.push_back(std::move(profile));
  }
  return kernels;
}

double predicted_seconds(const std::vector<KernelProfile>& kernels) {
  double sum = 0;
  for (const auto& kernel : kernels) sum += kernel.predicted_seconds;
  return sum;
}

void measure_kernels(std::vector<KernelProfile>& kernels, Executable& executable,
                     std::int64_t count, ThreadPool& pool, int rounds) {
  std::vector<std::vector<double>> times(kernels.size());
  executable.run(count, pool);
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> seconds(kernels.size());
    executable.run_timed(count, pool, seconds);
    for (std::size_t i = 0; i < kernels.size(); ++i) times[i].push_back(seconds[i]);
  }
  for (std::size_t i = 0; i < kernels.size(); ++i) kernels[i].seconds = median(times[i]);
}

std::string kernel_table(const std::vector<KernelProfile>& kernels, const MachineSpeed& speed) {
  return to_string(KernelTable(kernels, speed).build());
}

}  // namespace cnnc
