#include "runtime/train/not_finite.h"

#include <algorithm>
#include <cmath>

namespace cnnc {

void require_finite(std::span<const double> outputs, std::string_view image) {
  const auto wrong =
      std::ranges::find_if(outputs, [](double output) { return !std::isfinite(output); });
  if (wrong == outputs.end()) return;
  throw NotFinite(fmt::format(
      "{}: the model's output {} is {}: these weights are of no use; train again, at a lower rate",
      image, wrong - outputs.begin(), std::isnan(*wrong) ? "nan" : "infinite"));
}

}  // namespace cnnc
