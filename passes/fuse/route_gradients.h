// A pooled gradient is zero but at each window's arg-max: sums over it need only go there.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Sums over the pixels of an image of x * gradient, or of the gradient alone, where the gradient
/// comes from windows that cover the image and is zero but at each window's arg-max, become sums
/// over the windows: x is read where the arg-max says. A partial sum that such a kernel stores is
/// laid out anew, so that the axis along which x is contiguous stays the innermost one. Within the
/// rounding of a sum in another order (windows instead of pixels, without the products with zero),
/// for finite x.
Program route_gradients(const Program& program, const PassContext& context);

}  // namespace cnnc
