#include "runtime/train/size_limit.h"

#include <algorithm>

namespace cnnc {
namespace {

constexpr std::int64_t kInferenceBatch = 128;
constexpr double kInferenceValues = 1 << 28;

/// Numbers in the input and the results of all layers.
double values_of(const Model& model, const ModelGraph& graph, std::int64_t batch) {
  double values = static_cast<double>(element_count(model.input, 1)) * static_cast<double>(batch);
  for (const auto& type : graph.layer_types) {
    double count = 1;
    for (const auto dim : type.dims) count *= static_cast<double>(dim == kBatch ? batch : dim);
    values += count;
  }
  return values;
}

}  // namespace

void check_size(const Model& model, const ModelGraph& graph, std::int64_t batch) {
  const double values = values_of(model, graph, batch);
  if (values > static_cast<double>(kMaxValues)) {
    fail(
        "{}: the results of all layers for a batch of {} are {:.0f} numbers; the limit is {}. Take "
        "a smaller batch",
        model.source.name, batch, values, kMaxValues);
  }
}

std::int64_t inference_batch(const Model& model, const ModelGraph& graph,
                             std::int64_t training_batch) {
  const double each = std::max(1.0, values_of(model, graph, 1));
  const auto fit = static_cast<std::int64_t>(kInferenceValues / each);
  return std::clamp(std::max(fit, training_batch), std::int64_t{1}, kInferenceBatch);
}

}  // namespace cnnc
