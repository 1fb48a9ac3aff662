#include "passes/analysis/touched_bytes.h"

#include <algorithm>

namespace cnnc {

void TouchedBytes::touch(BufferId buffer, const std::vector<Expr>& index,
                         const RangeContext& context) {
  const Dims& dims = program_.buffer(buffer).type.dims;
  auto [box, fresh] = boxes_.try_emplace(buffer, dims.size());
  for (std::size_t d = 0; d < dims.size(); ++d) {
    IntegerRange range = range_of(index[d], context).value_or(IntegerRange{0, dims[d] - 1});
    range = {std::max<std::int64_t>(range.low, 0), std::min(range.high, dims[d] - 1)};
    IntegerRange& all = box->second[d];
    all =
        fresh ? range : IntegerRange{std::min(all.low, range.low), std::max(all.high, range.high)};
  }
}

double TouchedBytes::bytes() const {
  double sum = 0;
  for (const auto& [buffer, box] : boxes_) {
    auto bytes = static_cast<double>(size_of(program_.buffer(buffer).type.scalar));
    for (const IntegerRange& range : box)
      bytes *= static_cast<double>(std::max<std::int64_t>(0, range.high - range.low + 1));
    sum += bytes;
  }
  return sum;
}

}  // namespace cnnc
