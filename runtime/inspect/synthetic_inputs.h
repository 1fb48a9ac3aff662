// Something to compute on where no data set is at hand: for benchmarks.
#pragma once

#include <cstdint>

#include "frontend/model.h"
#include "runtime/exec/executable.h"

namespace cnnc {

/// Fills every input and state of a program made of `model`'s graph: parameters as a session starts
/// them, random bytes as images, labels in turn, a learning rate so small that the weights stay
/// what they are for any number of steps.
void fill_synthetic(Executable& executable, const ModelGraph& model, std::uint64_t seed);

}  // namespace cnnc
