#include <nlohmann/json.hpp>

#include "runtime/inspect/benchmark_report.h"

namespace cnnc {
namespace {

using Json = nlohmann::ordered_json;

void put(Json& object, const std::string& name, const Spread& values, double scale = 1) {
  object[name] = scale * values.median;
  object[name + "_range"] = {scale * values.least, scale * values.most};
}

Json kernel_json(const KernelProfile& kernel) {
  Json json;
  json["name"] = kernel.name;
  json["layers"] = Json::array();
  for (const auto& [layer, share] : kernel.layers)
    json["layers"].push_back({{"name", layer}, {"share", share}});
  json["microseconds"] = kernel.seconds > 0 ? Json(1e6 * kernel.seconds) : Json();
  json["predicted_microseconds"] = 1e6 * kernel.predicted_seconds;
  json["predicted_cycles"] = kernel.predicted_cycles;
  json["flops"] = kernel.flops;
  json["bytes"] = kernel.bytes;
  json["once"] = kernel.once;
  json["exact"] = kernel.exact;
  json["bound"] = name_of(kernel.bound);
  return json;
}

Json program_json(const ProgramFigures& figures, double flops) {
  Json json;
  const bool measured = figures.images_per_second.median > 0;
  if (measured) {
    put(json, "images_per_second", figures.images_per_second);
    json["microseconds_per_image"] = 1e6 / figures.images_per_second.median;
    json["gflops"] = figures.images_per_second.median * flops / 1e9;
    put(json, "share_of_peak", figures.share_of_peak);
  }
  json["predicted_images_per_second"] = figures.predicted_images_per_second;
  json["predicted_share_of_peak"] = figures.predicted_share_of_peak;
  json["kernels"] = figures.kernels;
  json["arena_bytes"] = figures.arena_bytes;
  json["arena_lower_bound_bytes"] = figures.arena_lower_bound;
  json["scratch_bytes"] = figures.scratch_bytes;
  json["scratch_lower_bound_bytes"] = figures.scratch_lower_bound;
  if (measured) json["compile_milliseconds"] = 1e3 * figures.compile_seconds;
  json["profile"] = Json::array();
  for (const auto& kernel : figures.profile) json["profile"].push_back(kernel_json(kernel));
  return json;
}

Json mode_json(const ModeFigures& figures) {
  Json json;
  json["flops_per_image"] = figures.flops_per_image;
  json["fused"] = program_json(figures.fused, figures.flops_per_image);
  json["unfused"] = program_json(figures.unfused, figures.flops_per_image);
  put(json, "speedup", figures.speedup);
  if (figures.scaling.median > 0) put(json, "scaling", figures.scaling);
  return json;
}

Json latency_json(const LatencyFigures& latency) {
  return {{"batch", 1},
          {"threads", 1},
          {"median_microseconds", 1e6 * latency.fused_median},
          {"p99_microseconds", 1e6 * latency.fused_99th},
          {"unfused_median_microseconds", 1e6 * latency.unfused_median},
          {"unfused_p99_microseconds", 1e6 * latency.unfused_99th}};
}

}  // namespace

std::string benchmark_json(const BenchmarkResult& result) {
  Json json;
  json["model"] = result.model;
  json["target"] = result.target;
  json["batch"] = result.batch;
  json["threads"] = result.threads;
  json["precision"] = name_of(result.real);
  json["rounds"] = result.rounds;
  put(json, "peak_gflops", result.peak, 1e-9);
  put(json, "peak_gflops_one_core", result.peak_one_core, 1e-9);
  if (result.peak_scaling.median > 0) put(json, "peak_scaling", result.peak_scaling);
  put(json, "memory_gb_per_second", result.bandwidth, 1e-9);
  put(json, "cached_gb_per_second", result.cached_bandwidth, 1e-9);
  json["training"] = result.training ? mode_json(*result.training) : Json();
  json["inference"] = mode_json(result.inference);
  json["latency"] = result.latency ? latency_json(*result.latency) : Json();
  return json.dump(2) + "\n";
}

}  // namespace cnnc
