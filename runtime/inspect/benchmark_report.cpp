#include "runtime/inspect/benchmark_report.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/inspect/text_table.h"

namespace cnnc {
namespace {

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / 1e6);
}

std::string rate(double images_per_second) {
  return images_per_second < 100 ? fmt::format("{:.2f}", images_per_second)
                                 : grouped(std::llround(images_per_second));
}

std::string spread(const Spread& values) {
  return fmt::format("{:.0f} %", 100 * values.relative());
}

std::string title(const BenchmarkResult& result) {
  return fmt::format("{}: batch {}, {} thread{}, {}, target {}", result.model, result.batch,
                     result.threads, result.threads == 1 ? "" : "s", name_of(result.real),
                     result.target);
}

std::string machine_text(const BenchmarkResult& result) {
  TextTable table{.rows = {{"this machine", "median", "least", "most"}}};
  const auto add = [&](const char* name, const Spread& values, const char* unit) {
    table.rows.push_back({name, fmt::format("{:.1f}", values.median / 1e9),
                          fmt::format("{:.1f}", values.least / 1e9),
                          fmt::format("{:.1f} {}", values.most / 1e9, unit)});
  };
  add("multiply-adds, one core", result.peak_one_core, "GFLOP/s");
  add("multiply-adds, all threads (the peak)", result.peak, "GFLOP/s");
  add("memory, 128 MB read and written", result.bandwidth, "GB/s   ");
  add("memory, the same 16 MB again", result.cached_bandwidth, "GB/s   ");
  return to_string(table);
}

std::vector<std::string> measured_row(const std::string& mode, const std::string& name,
                                      const ProgramFigures& f, double flops) {
  const double images = f.images_per_second.median;
  return {mode,
          name,
          rate(images),
          spread(f.images_per_second),
          fmt::format("{:.2f}", 1e6 / images),
          fmt::format("{:.1f}", images * flops / 1e9),
          fmt::format("{:.3f}", f.share_of_peak.median),
          fmt::format("{:.3f}", f.predicted_share_of_peak),
          std::to_string(f.kernels),
          megabytes(f.arena_bytes),
          megabytes(f.arena_lower_bound),
          megabytes(f.scratch_bytes),
          megabytes(f.scratch_lower_bound),
          fmt::format("{:.0f}", 1e3 * f.compile_seconds)};
}

void add_measured(TextTable& table, const std::string& mode, const ModeFigures& figures) {
  table.rows.push_back(measured_row(mode, "fused", figures.fused, figures.flops_per_image));
  table.rows.push_back(measured_row("", "unfused", figures.unfused, figures.flops_per_image));
  const double predicted =
      figures.fused.predicted_share_of_peak / figures.unfused.predicted_share_of_peak;
  table.rows.push_back({"", "fused / unfused", fmt::format("{:.2f}", figures.speedup.median),
                        spread(figures.speedup), "", "", "", fmt::format("{:.2f}", predicted)});
}

void add_predicted(TextTable& table, const std::string& mode, const ModeFigures& figures) {
  const auto add = [&](const std::string& first, const std::string& name, const ProgramFigures& f) {
    const double images = f.predicted_images_per_second;
    table.rows.push_back({first, name, rate(images), fmt::format("{:.2f}", 1e6 / images),
                          fmt::format("{:.1f}", images * figures.flops_per_image / 1e9),
                          fmt::format("{:.3f}", f.predicted_share_of_peak),
                          std::to_string(f.kernels), megabytes(f.arena_bytes),
                          megabytes(f.arena_lower_bound), megabytes(f.scratch_bytes),
                          megabytes(f.scratch_lower_bound)});
  };
  add(mode, "fused", figures.fused);
  add("", "unfused", figures.unfused);
  table.rows.push_back({"", "fused / unfused", fmt::format("{:.2f}", figures.speedup.median)});
}

/// The tables of kernels of the fused programs, and of the unfused ones where they were measured.
std::string kernel_tables(const BenchmarkResult& result, bool unfused) {
  std::string text;
  const auto add = [&](const char* name, const ProgramFigures& figures) {
    text += fmt::format("\n{}\n{}", name, kernel_table(figures.profile, result.speed));
  };
  if (result.training) add("training, fused", result.training->fused);
  if (result.training && unfused) add("training, unfused", result.training->unfused);
  add("inference, fused", result.inference.fused);
  if (unfused) add("inference, unfused", result.inference.unfused);
  return text +
         "\nFLOP of a kernel are those that its loops do. Layers of a kernel have the share of its "
         "time\nthat the cost model gives them. MB moved: what it reads and writes outside its "
         "scratch, each byte once.\nBound: by compute or memory, whichever takes longer at full "
         "speed. ~: depends on data.\n";
}

bool profiled(const BenchmarkResult& result) {
  for (const auto& kernel : result.inference.fused.profile)
    if (kernel.seconds > 0) return true;
  return false;
}

}  // namespace

std::string benchmark_text(const BenchmarkResult& result) {
  std::string text = fmt::format("{}; medians of {} rounds\n\n{}\n", title(result), result.rounds,
                                 machine_text(result));
  TextTable table{
      .rows = {{"", "", "images/s", "spread", "us/image", "GFLOP/s", "of peak", "predicted",
                "kernels", "arena MB", "at least", "scratch MB", "at least", "compile ms"}},
      .left = 2};
  if (result.training) add_measured(table, "training", *result.training);
  add_measured(table, "inference", result.inference);
  text += to_string(table);
  if (result.latency)
    text += fmt::format(
        "\none image at a time, one thread: fused median {:.1f} us, 99th percentile {:.1f} us; "
        "unfused {:.1f}, {:.1f}\n",
        1e6 * result.latency->fused_median, 1e6 * result.latency->fused_99th,
        1e6 * result.latency->unfused_median, 1e6 * result.latency->unfused_99th);
  if (result.threads > 1) {
    text += fmt::format("{} threads over one: ", result.threads);
    if (result.training) text += fmt::format("training {:.2f}, ", result.training->scaling.median);
    text += fmt::format("inference {:.2f}; the peak {:.2f}\n", result.inference.scaling.median,
                        result.peak_scaling.median);
  }
  text += "\nFLOP count a multiply-add as two, as the network is written: ";
  if (result.training)
    text += fmt::format("{:.3f} MFLOP an image to train, ", result.training->flops_per_image / 1e6);
  text += fmt::format("{:.3f} to infer.\n", result.inference.flops_per_image / 1e6);
  text += "Spread: greatest less least, of the median. Predicted: the cost model's share of peak. ";
  text += "Unfused: without the pass `fuse`.\n";
  return profiled(result) ? text + kernel_tables(result, true) : text;
}

std::string explanation_text(const BenchmarkResult& result) {
  std::string text = fmt::format("{}; predicted, nothing was run\n", title(result));
  text += fmt::format(
      "model core: {:.2f} GHz, {:.1f} GFLOP/s at best, {:.1f} on all threads; memory {:.1f} GB/s, "
      "caches "
      "{:.1f}\n\n",
      result.speed.cycles_per_second / 1e9, result.peak_one_core.median / 1e9,
      result.peak.median / 1e9, result.bandwidth.median / 1e9,
      result.cached_bandwidth.median / 1e9);
  TextTable table{.rows = {{"", "", "images/s", "us/image", "GFLOP/s", "of peak", "kernels",
                            "arena MB", "at least", "scratch MB", "at least"}},
                  .left = 2};
  if (result.training) add_predicted(table, "training", *result.training);
  add_predicted(table, "inference", result.inference);
  return text + to_string(table) + kernel_tables(result, false);
}

}  // namespace cnnc
