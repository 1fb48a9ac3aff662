// Gradients of a whole network against central differences, in f64.
#pragma once

#include "tests/random/trial.h"

namespace cnnc::testing {

/// Derivatives along random directions: of all parameters at once, and of single ones. Empty where
/// symbolic and numeric ones agree within 1e-6, or where a kink lies within the difference's reach
/// (counted in `statistics`).
std::string gradient_difference(const Model& model, const Language& language, std::int64_t count,
                                std::uint64_t seed, Statistics& statistics);

}  // namespace cnnc::testing
