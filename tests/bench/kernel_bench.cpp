// Single kernels on one core, with Google Benchmark: all of them, or those of a filter:
//   build/release/tests/bench/kernel_bench --benchmark_filter=conv/forward/5x5 --target=x86-64-v3
// Counters: GFLOPs (a second, of the median call), of_peak (share of the FMA peak, measured right
// before and after), in_cache (the same with so few images that the second-level cache holds them),
// of_memory (share of the memory's or caches' bandwidth that it needs at this speed), predicted
// (the cost model's of_peak). The word at the end of a line says what it reaches: "compute", half
// of the peak; "memory", bytes whose moving alone takes four fifths of its time, or half of the
// peak once its images are in cache; "short_of_both".
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "passes/cost/kernel_cost.h"
#include "runtime/compile.h"
#include "runtime/inspect/machine_peak.h"
#include "runtime/inspect/profile.h"
#include "runtime/inspect/summary.h"
#include "runtime/train/random.h"
#include "tests/bench/kernel_cases.h"

namespace cnnc::bench {
namespace {

/// Reals in [-1, 1); whole numbers 0 .. 3, which every pooling window has.
void fill(Executable& executable) {
  for (const std::string& name : executable.names()) {
    const TensorRef ref = executable.tensor(name);
    const std::uint64_t stream = stream_of(name);
    dispatch(ref.type.scalar, [&](auto zero) {
      for (std::size_t i = 0; i < ref.bytes.size() / sizeof zero; ++i) {
        const double uniform = random_uniform(1, stream, i);
        const auto value = static_cast<decltype(zero)>(
            is_float(ref.type.scalar) ? 2 * uniform - 1 : std::floor(4 * uniform));
        std::memcpy(ref.bytes.data() + i * sizeof zero, &value, sizeof zero);
      }
    });
  }
}

double seconds_of(Executable& executable, std::int64_t images, ThreadPool& threads) {
  const auto start = std::chrono::steady_clock::now();
  executable.run(images, threads);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Images that with their results take half of the second-level cache; at least one.
std::int64_t images_in_cache(Executable& executable, std::int64_t batch, const Target& target) {
  std::int64_t bytes = 0;
  for (const std::string& name : executable.names()) {
    const TensorRef ref = executable.tensor(name);
    if (!ref.type.dims.empty() && ref.type.dims.front() == batch)
      bytes += static_cast<std::int64_t>(ref.bytes.size());
  }
  return std::clamp<std::int64_t>(target.l2_bytes / 2 * batch / std::max<std::int64_t>(bytes, 1), 1,
                                  batch);
}

void run(benchmark::State& state, const KernelCase& kernel_case, const Target& target,
         MachinePeak& machine) {
  ThreadPool one(1);
  Executable executable = compile(kernel_case.graph, {.target = target});
  fill(executable);
  const std::int64_t batch = kernel_case.graph.batch;
  executable.run(batch, one);

  const double peak_before = machine.flops_per_second(one);
  std::vector<double> calls, short_calls;
  for (auto _ : state) calls.push_back(seconds_of(executable, batch, one));
  const std::int64_t few = images_in_cache(executable, batch, target);
  for (std::size_t i = 0; i < calls.size(); ++i)
    short_calls.push_back(seconds_of(executable, few, one));
  const double peak = (peak_before + machine.flops_per_second(one)) / 2;
  const MachineSpeed speed{
      .cycles_per_second = peak / peak_flops_per_cycle(target, ScalarType::f32),
      .flops_per_second = peak,
      .bytes_per_second = machine.bytes_per_second(one),
      .cached_bytes_per_second = machine.cached_bytes_per_second(one)};
  const auto kernels = predict_kernels(executable.program(), batch, 1, target, speed);
  double memory_seconds = 0;
  for (const auto& kernel : kernels) memory_seconds += speed.seconds_to_move(kernel.bytes);
  const double flops_an_image = static_cast<double>(graph_flops(kernel_case.graph));
  const double flops = flops_an_image * static_cast<double>(batch);
  const double rate = flops / median(calls);
  const double of_peak = rate / peak, of_memory = memory_seconds / median(calls);
  const double in_cache = flops_an_image * static_cast<double>(few) / median(short_calls) / peak;
  state.counters["GFLOPs"] = rate / 1e9;
  state.counters["of_peak"] = of_peak;
  state.counters["in_cache"] = in_cache;
  state.counters["of_memory"] = of_memory;
  state.counters["predicted"] = flops / predicted_seconds(kernels) / peak;
  const bool by_memory = of_memory >= 0.8 || in_cache >= 0.5;
  state.SetLabel(of_peak >= 0.5 ? "compute" : by_memory ? "memory" : "short_of_both");
}

}  // namespace
}  // namespace cnnc::bench

int main(int argc, char** argv) {
  // A tenth of a second each, unless the arguments say otherwise.
  std::vector<char*> arguments(argv, argv + argc);
  std::string least = "--benchmark_min_time=0.1";
  arguments.insert(arguments.begin() + 1, least.data());
  const std::string_view option = "--target=";
  std::optional<cnnc::Target> target = cnnc::host_target();
  std::erase_if(arguments, [&](std::string_view argument) {
    const bool found = argument.starts_with(option);
    if (found) target = cnnc::named_target(argument.substr(option.size()));
    return found;
  });
  if (!target) {
    std::fputs("--target: expected x86-64, x86-64-v2, x86-64-v3 or x86-64-v4\n", stderr);
    return 2;
  }
  argc = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  argv = arguments.data();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto machine = std::make_shared<cnnc::MachinePeak>(*target, cnnc::ScalarType::f32);
  for (const auto& kernel_case : cnnc::bench::kernel_cases())
    benchmark::RegisterBenchmark(kernel_case.name.c_str(), [kernel_case, machine, target = *target](
                                                               benchmark::State& state) {
      cnnc::bench::run(state, kernel_case, target, *machine);
    })->Unit(benchmark::kMicrosecond);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
