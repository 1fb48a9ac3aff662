// Which models are too large to compile.
#pragma once

#include <cstdint>

#include "frontend/model.h"

namespace cnnc {

/// Throws Error where the results of all layers, for `batch` images, are more than kMaxValues
/// numbers.
void check_size(const Model& model, const ModelGraph& graph, std::int64_t batch);
inline constexpr std::int64_t kMaxValues = std::int64_t{1} << 31;

/// Images a call of the program that infers: 128, fewer where their results would be more than 2^28
/// numbers and `training_batch` (0: none) is less, too, since that many fit while training.
std::int64_t inference_batch(const Model& model, const ModelGraph& graph,
                             std::int64_t training_batch);

}  // namespace cnnc
