#include "runtime/size_limit.h"

namespace cnnc {

void check_size(const Model& model, const ModelGraph& graph, std::int64_t batch) {
  double values = static_cast<double>(element_count(model.input, 1)) * static_cast<double>(batch);
  for (const auto& type : graph.layer_types) {
    double count = 1;
    for (const auto dim : type.dims) count *= static_cast<double>(dim == kBatch ? batch : dim);
    values += count;
  }
  if (values > static_cast<double>(kMaxValues)) {
    fail(
        "{}: the results of all layers for a batch of {} are {:.0f} numbers; the limit is {}. Take "
        "a smaller batch",
        model.source.name, batch, values, kMaxValues);
  }
}

}  // namespace cnnc
