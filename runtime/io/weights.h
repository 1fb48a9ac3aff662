// A weight file against the model that it is for.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/language/layer.h"
#include "runtime/io/safetensors.h"

namespace cnnc {

/// `loaded` in the element types of `parameters` (F32 and F64 convert into each other), without
/// what ignored_tensors lists. Throws Error, naming `source` (the file) and the tensor, where one
/// is missing, left over, of another shape or type than the parameter's, or holds NaN, infinity or
/// less than the parameter's `low`.
Tensors fit_weights(const Tensors& loaded, std::span<const Parameter> parameters,
                    std::string_view source);

/// Tensors that other writers keep beside parameters and nothing here needs: PyTorch counts the
/// batches of each batch norm in `num_batches_tracked`.
std::vector<std::string> ignored_tensors(const Tensors& loaded,
                                         std::span<const Parameter> parameters);

}  // namespace cnnc
