#include "runtime/inspect/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <variant>

#include "passes/finish/plan_memory.h"
#include "passes/graph/differentiate.h"
#include "runtime/compile.h"
#include "runtime/inspect/machine_peak.h"
#include "runtime/inspect/summary.h"
#include "runtime/inspect/synthetic_inputs.h"
#include "runtime/train/size_limit.h"

namespace cnnc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kDefaultBatch = 128;
constexpr double kLatencySeconds = 0.3;
constexpr std::size_t kMostLatencies = 20'000;
constexpr std::uint64_t kSeed = 1;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The passes that are left out.
CompileOptions compile_options(const BenchmarkOptions& options, bool fused) {
  CompileOptions result{.target = options.target, .skip = options.skip, .threads = options.threads};
  if (!fused && std::ranges::find(result.skip, "fuse") == result.skip.end())
    result.skip.emplace_back("fuse");
  return result;
}

std::int64_t batch_of(const Model& model, const BenchmarkOptions& options) {
  return options.batch.value_or(model.train ? model.train->batch : kDefaultBatch);
}

double flops_per_image(const Model& model, const Language& language, Mode mode) {
  const Graph graph = build_graph(model, language, mode, 1, ScalarType::f32).graph;
  return static_cast<double>(
      graph_flops(mode == Mode::train ? differentiate_graph(graph, Target{}) : graph));
}

void describe(ProgramFigures& figures, const Program& program, int threads) {
  const MemoryPlan plan = memory_plan(program);
  figures.kernels = static_cast<std::int64_t>(program.kernels.size());
  figures.arena_bytes = plan.arena_bytes;
  figures.arena_lower_bound = plan.arena_lower_bound;
  figures.scratch_bytes = plan.scratch_bytes * threads;
  figures.scratch_lower_bound = plan.scratch_lower_bound * threads;
}

/// Adds the cost model's view of a program.
void predict_program(ProgramFigures& figures, const Program& program,
                     const BenchmarkResult& setting, const Target& target, double flops_per_image) {
  figures.profile = predict_kernels(program, setting.batch, setting.threads, target, setting.speed);
  figures.predicted_images_per_second =
      static_cast<double>(setting.batch) / predicted_seconds(figures.profile);
  figures.predicted_share_of_peak =
      figures.predicted_images_per_second * flops_per_image / setting.speed.flops_per_second;
}

/// A program with inputs, ready to be run again and again.
class Subject {
 public:
  Subject(const Model& model, const Language& language, Mode mode, std::int64_t batch,
          const BenchmarkOptions& options, bool fused)
      : batch_(batch) {
    const auto start = Clock::now();
    const ModelGraph graph = build_graph(model, language, mode, batch, options.real);
    check_size(model, graph, batch);
    executable_ =
        std::make_unique<Executable>(compile(graph.graph, compile_options(options, fused)));
    compile_seconds_ = since(start);
    fill_synthetic(*executable_, graph, kSeed);
  }

  /// Runs until `seconds` have gone by; images a second.
  double rate(double seconds, ThreadPool& pool) {
    const auto start = Clock::now();
    double images = 0, elapsed = 0;
    do {
      executable_->run(batch_, pool);
      images += static_cast<double>(batch_);
      elapsed = since(start);
    } while (elapsed < seconds);
    return images / elapsed;
  }

  /// Seconds of single calls.
  std::vector<double> latencies(double seconds, ThreadPool& pool) {
    std::vector<double> result;
    const auto begin = Clock::now();
    while (result.empty() || (since(begin) < seconds && result.size() < kMostLatencies)) {
      const auto start = Clock::now();
      executable_->run(batch_, pool);
      result.push_back(since(start));
    }
    return result;
  }

  Executable& executable() { return *executable_; }
  double compile_seconds() const { return compile_seconds_; }

 private:
  std::int64_t batch_;
  std::unique_ptr<Executable> executable_;
  double compile_seconds_ = 0;
};

/// Both programs of a mode, with what the rounds measured.
struct Pair {
  Mode mode;
  double flops_per_image;
  Subject fused, unfused;
  std::vector<double> fused_rates = {}, unfused_rates = {}, fused_rates_alone = {};

  Pair(const Model& model, const Language& language, Mode m, const BenchmarkOptions& options)
      : mode(m),
        flops_per_image(cnnc::flops_per_image(model, language, m)),
        fused(model, language, m, batch_of(model, options), options, true),
        unfused(model, language, m, batch_of(model, options), options, false) {}

  void round(double seconds, ThreadPool& pool, ThreadPool& one) {
    fused_rates.push_back(fused.rate(seconds, pool));
    unfused_rates.push_back(unfused.rate(seconds, pool));
    fused_rates_alone.push_back(pool.size() > 1 ? fused.rate(seconds, one) : fused_rates.back());
  }
};

std::vector<double> ratios(const std::vector<double>& above, const std::vector<double>& below,
                           double factor) {
  std::vector<double> result;
  result.reserve(above.size());
  for (std::size_t i = 0; i < above.size(); ++i) result.push_back(factor * above[i] / below[i]);
  return result;
}

ProgramFigures figures_of(Subject& subject, const std::vector<double>& rates, double flops,
                          const std::vector<double>& peaks, const BenchmarkResult& setting,
                          const BenchmarkOptions& options, ThreadPool& pool) {
  ProgramFigures figures;
  figures.images_per_second = spread_of(rates);
  figures.share_of_peak = spread_of(ratios(rates, peaks, flops));
  figures.compile_seconds = subject.compile_seconds();
  const Program& program = subject.executable().program();
  describe(figures, program, setting.threads);
  predict_program(figures, program, setting, options.target, flops);
  if (options.profile)
    measure_kernels(figures.profile, subject.executable(), setting.batch, pool, options.rounds);
  return figures;
}

ModeFigures figures_of(Pair& pair, const std::vector<double>& peaks, const BenchmarkResult& setting,
                       const BenchmarkOptions& options, ThreadPool& pool) {
  ModeFigures figures;
  figures.flops_per_image = pair.flops_per_image;
  const auto of = [&](Subject& subject, const std::vector<double>& rates) {
    return figures_of(subject, rates, pair.flops_per_image, peaks, setting, options, pool);
  };
  figures.fused = of(pair.fused, pair.fused_rates);
  figures.unfused = of(pair.unfused, pair.unfused_rates);
  figures.speedup = spread_of(ratios(pair.fused_rates, pair.unfused_rates, 1));
  figures.scaling = spread_of(ratios(pair.fused_rates, pair.fused_rates_alone, 1));
  return figures;
}

LatencyFigures measure_latency(const Model& model, const Language& language,
                               const BenchmarkOptions& options) {
  ThreadPool one(1);
  const auto measure = [&](bool fused) {
    Subject subject(model, language, Mode::infer, 1, options, fused);
    subject.latencies(options.seconds / 4, one);  // warms up
    return subject.latencies(std::min(kLatencySeconds, options.seconds * options.rounds), one);
  };
  const auto fused = measure(true), unfused = measure(false);
  return {.fused_median = percentile(fused, 0.5),
          .fused_99th = percentile(fused, 0.99),
          .unfused_median = percentile(unfused, 0.5),
          .unfused_99th = percentile(unfused, 0.99)};
}

BenchmarkResult setting_of(const Model& model, const BenchmarkOptions& options, int threads) {
  BenchmarkResult result;
  result.model = model.name;
  result.target = options.target.name;
  result.batch = batch_of(model, options);
  result.threads = threads;
  result.rounds = options.rounds;
  result.real = options.real;
  return result;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  CNNC_CHECK(!values.empty(), "nothing was measured");
  const double median = percentile(values, 0.5);
  const auto [least, most] = std::ranges::minmax(values);
  return {.median = median, .least = least, .most = most};
}

double percentile(std::vector<double> values, double share) {
  CNNC_CHECK(!values.empty(), "nothing was measured");
  const double rank = std::ceil(share * static_cast<double>(values.size())) - 1;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::max(0.0, rank));
  std::ranges::nth_element(values, at);
  return *at;
}

BenchmarkResult benchmark(const Model& model, const Language& language,
                          const BenchmarkOptions& options,
                          const std::function<void(std::string_view)>& progress) {
  ThreadPool pool(options.threads), one(1);
  BenchmarkResult result = setting_of(model, options, pool.size());
  progress("compiling");
  std::vector<std::unique_ptr<Pair>> pairs;
  if (model.train) pairs.push_back(std::make_unique<Pair>(model, language, Mode::train, options));
  pairs.push_back(std::make_unique<Pair>(model, language, Mode::infer, options));
  MachinePeak machine(options.target, options.real);
  for (auto& pair : pairs)
    for (Subject* subject : {&pair->fused, &pair->unfused}) subject->rate(0, pool);  // warms up

  std::vector<double> peaks, single_peaks, bandwidths, cached_bandwidths;
  for (int round = 0; round < options.rounds; ++round) {
    progress(fmt::format("round {} of {}", round + 1, options.rounds));
    single_peaks.push_back(machine.flops_per_second(one));
    peaks.push_back(machine.flops_per_second(pool));
    bandwidths.push_back(machine.bytes_per_second(pool));
    cached_bandwidths.push_back(machine.cached_bytes_per_second(pool));
    for (auto& pair : pairs) pair->round(options.seconds, pool, one);
    // The peak of a round is that before and after it, so that a drift between weighs less.
    peaks.back() = (peaks.back() + machine.flops_per_second(pool)) / 2;
  }
  result.peak = spread_of(peaks);
  result.peak_one_core = spread_of(single_peaks);
  result.peak_scaling = spread_of(ratios(peaks, single_peaks, 1));
  result.bandwidth = spread_of(bandwidths);
  result.cached_bandwidth = spread_of(cached_bandwidths);
  result.speed = {.cycles_per_second = result.peak.median / result.threads /
                                       peak_flops_per_cycle(options.target, options.real),
                  .flops_per_second = result.peak.median,
                  .bytes_per_second = result.bandwidth.median,
                  .cached_bytes_per_second = result.cached_bandwidth.median};
  for (auto& pair : pairs) {
    ModeFigures figures = figures_of(*pair, peaks, result, options, pool);
    if (pair->mode == Mode::train)
      result.training = std::move(figures);
    else
      result.inference = std::move(figures);
  }
  progress("one image at a time");
  result.latency = measure_latency(model, language, options);
  return result;
}

BenchmarkResult predict(const Model& model, const Language& language,
                        const BenchmarkOptions& options, double clock) {
  BenchmarkResult result = setting_of(model, options, ThreadPool(options.threads).size());
  result.speed = nominal_speed(options.target, options.real, result.threads, clock);
  result.peak = spread_of({result.speed.flops_per_second});
  result.peak_one_core = spread_of({result.speed.flops_per_second / result.threads});
  result.bandwidth = spread_of({result.speed.bytes_per_second});
  result.cached_bandwidth = spread_of({result.speed.cached_bytes_per_second});
  const auto of = [&](const Graph& graph, bool fused, double flops) {
    const auto ir = ir_at(graph, "loops", compile_options(options, fused));
    const auto& program = std::get<Program>(ir);
    ProgramFigures figures;
    describe(figures, program, result.threads);
    predict_program(figures, program, result, options.target, flops);
    return figures;
  };
  const auto both = [&](Mode mode) {
    const ModelGraph built = build_graph(model, language, mode, result.batch, options.real);
    check_size(model, built, result.batch);
    const Graph& graph = built.graph;
    ModeFigures figures;
    figures.flops_per_image = flops_per_image(model, language, mode);
    figures.fused = of(graph, true, figures.flops_per_image);
    figures.unfused = of(graph, false, figures.flops_per_image);
    figures.speedup = spread_of(
        {figures.fused.predicted_images_per_second / figures.unfused.predicted_images_per_second});
    return figures;
  };
  if (model.train) result.training = both(Mode::train);
  result.inference = both(Mode::infer);
  return result;
}

}  // namespace cnnc
