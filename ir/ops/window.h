// What convolution and pooling share: the geometry of a window that slides over [n, height, width,
// channels].
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ir/graph/op.h"

namespace cnnc {

/// Sizes are height, width; pad is top, bottom, left, right.
struct Window {
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<std::int64_t, 4> pad{};

  bool padded() const { return pad != std::array<std::int64_t, 4>{}; }
  /// Rows or columns that the dilated kernel spans.
  std::int64_t span(std::size_t axis) const { return (kernel[axis] - 1) * dilation[axis] + 1; }
  std::int64_t before(std::size_t axis) const { return pad[2 * axis]; }
  std::int64_t after(std::size_t axis) const { return pad[2 * axis + 1]; }
  /// Output height or width over an input of that many rows or columns.
  std::int64_t output(std::size_t axis, std::int64_t input) const {
    return (input + before(axis) + after(axis) - span(axis)) / stride[axis] + 1;
  }
};

/// From the attributes stride, pad and dilation, and the kernel's size. Throws Error where a list
/// has the wrong length or a number is out of range.
Window conv_window(std::string_view op, const Attributes& attributes, std::int64_t kernel_height,
                   std::int64_t kernel_width);
/// From the attributes size, stride and pad. A pad must be smaller than the window: each window
/// then sees part of the input.
Window pool_window(std::string_view op, const Attributes& attributes);
/// Throws Error, with both shapes, where `window` does not fit an input [n, h, w, c] or the padded
/// input has too many elements.
void check_fits(std::string_view op, const Window& window, const Dims& input);

/// Throws Error unless `type` is a floating tensor of `rank` dimensions.
void check_real(std::string_view op, std::string_view operand, const TensorType& type,
                std::size_t rank);

/// "28x28x1" for [B,28,28,1]: as the model language writes a shape.
std::string shape_text(const Dims& dims);
/// "1" where all sides are equal, otherwise "top,bottom,left,right".
std::string pad_text(const Window& window);

Axis make_axis(std::string name, std::int64_t extent);

/// The stage `padded`: operand `operand` of type `input` with a border of `fill`. Equal calls yield
/// structurally equal stages.
Stage pad_stage(BufferId operand, const TensorType& input, const Window& window, double fill);

}  // namespace cnnc
