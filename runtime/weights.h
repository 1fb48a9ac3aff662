// A weight file against the model that it is for.
#pragma once

#include <span>
#include <string_view>

#include "ir/layer.h"
#include "runtime/safetensors.h"

namespace cnnc {

/// `loaded` in the element types of `parameters` (F32 and F64 convert into each other). Throws
/// Error, naming `source` (the file) and the tensor, where one is missing, left over, of another
/// shape or type than the parameter's, or holds NaN or infinity.
Tensors fit_weights(const Tensors& loaded, std::span<const Parameter> parameters,
                    std::string_view source);

}  // namespace cnnc
