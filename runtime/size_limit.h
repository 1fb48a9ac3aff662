// Which models are too large to compile.
#pragma once

#include <cstdint>

#include "frontend/model.h"

namespace cnnc {

/// Throws Error where the results of all layers, for `batch` images, are more than kMaxValues
/// numbers.
void check_size(const Model& model, const ModelGraph& graph, std::int64_t batch);
inline constexpr std::int64_t kMaxValues = std::int64_t{1} << 31;

}  // namespace cnnc
