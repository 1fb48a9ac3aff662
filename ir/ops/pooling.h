// What the pooling ops and their gradients share: types and the way from an input's row or column
// back to the windows that see it.
#pragma once

#include <functional>
#include <vector>

#include "ir/ops/window.h"

namespace cnnc {

struct Pooling {
  Window window;
  Dims input;   // [n, h, w, c]
  Dims output;  // [n, oh, ow, c]

  std::int64_t area() const { return window.kernel[0] * window.kernel[1]; }
  /// Windows neither overlap nor leave anything out: every input element is in exactly one.
  bool covers_exactly() const;
  /// The type of an arg-max, the place ky * kw + kx in the window.
  ScalarType place_type() const { return area() <= 255 ? ScalarType::u8 : ScalarType::i32; }
};

/// From the attributes size, stride and pad. Throws Error where the window does not fit.
Pooling make_pooling(std::string_view op, const Attributes& attributes, const TensorType& input);
/// For gradients: the input from the attribute `input`. Throws Error where `gradient` is not of the
/// output's shape.
Pooling make_pooling_gradient(std::string_view op, const Attributes& attributes,
                              const TensorType& gradient);

/// What a window hands back to an input element: from the index of the output element and the
/// element's place ky * kw + kx in that window.
using WindowValue = std::function<Expr(std::vector<Expr> output, Expr place)>;
/// A stage over the input: the sum of `value` over the windows that see an element, a gather. Where
/// windows cover the input exactly its axes are (n, oy, ky, ox, kx, c), which is row-major [n, h,
/// w, c], and there is nothing to divide, clamp or test.
Stage gather_from_windows(const Pooling& pooling, ScalarType type, const WindowValue& value);

/// For references: calls visit(row-major input index, row-major output index, place) for every
/// element of every window that is inside the input.
using WindowVisitor =
    std::function<void(std::size_t input, std::size_t output, std::int64_t place)>;
void for_each_window_element(const Pooling& pooling, const WindowVisitor& visit);

/// Operand x of ordinary and nasty poolings with their attributes.
std::vector<Sample> pooling_samples();
/// The same for a gradient: operand dy, attribute `input`.
std::vector<Sample> pooling_gradient_samples();

}  // namespace cnnc
