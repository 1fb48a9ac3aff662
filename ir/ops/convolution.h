// What conv2d and its two gradients share: shapes, the split of channels into groups, the
// reference's loops.
//   x [n, h, w, groups * group_in]   w [kh, kw, group_in, groups * group_out]   y [n, oh, ow,
//   groups * group_out]
// x stands in a border of zeros (pad), which take part like any other element: times a weight or a
// gradient that is not finite they are NaN, here as in both gradients.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "ir/ops/window.h"

namespace cnnc {

struct Convolution {
  Window window;
  std::int64_t batch = 0, height = 0, width = 0;  // of x
  std::int64_t groups = 1, group_in = 1, group_out = 1;

  std::int64_t in() const { return groups * group_in; }
  std::int64_t out() const { return groups * group_out; }
  Dims input() const { return {batch, height, width, in()}; }
  Dims kernel() const { return {window.kernel[0], window.kernel[1], group_in, out()}; }
  Dims output() const { return {batch, window.output(0, height), window.output(1, width), out()}; }
  /// FLOP of one sample: the same for conv2d and for both of its gradients.
  std::int64_t flops() const;
};

/// Reads the attributes stride, pad, dilation and groups. Throws Error, with the shapes, where they
/// do not fit together.
Convolution make_convolution(std::string_view op, const Attributes& attributes, const Dims& input,
                             const Dims& kernel);
/// The same from x and w, which must be floating tensors of one type.
Convolution make_convolution(std::string_view op, const Attributes& attributes,
                             const TensorType& input, const TensorType& kernel);
/// The same with the weight's dims given by the attribute `kernel` and y's channels.
Convolution make_convolution(std::string_view op, const Attributes& attributes,
                             const TensorType& input, std::int64_t out);
/// Throws Error unless `gradient` has the type of the convolution's output.
void check_output_gradient(std::string_view op, const Convolution& conv, const TensorType& gradient,
                           ScalarType scalar);

/// The axes that stand for y's channels (for several groups of several channels: group, channel in
/// the group; every index is then affine) and the indices that they make. `inner` is the axis over
/// a group's input channels; none where each group has one.
struct ChannelAxes {
  std::vector<Axis> outer, inner;
  Expr in, group_in, out;
};
ChannelAxes channel_axes(const Convolution& conv);

/// For references: calls visit(x index, w index, y index), all row-major, for every product that
/// the convolution sums, with kBorder in the place of an x of the border.
using TapVisitor = std::function<void(std::size_t x, std::size_t w, std::size_t y)>;
void for_each_tap(const Convolution& conv, const TapVisitor& visit);
inline constexpr std::size_t kBorder = std::numeric_limits<std::size_t>::max();
/// The element of x, or the zero of its border.
inline double element_of(const std::vector<double>& x, std::size_t index) {
  return index == kBorder ? 0 : x[index];
}

/// The attributes that all convolutions have: stride, pad, dilation and groups.
Attributes convolution_attributes(const Attributes& attributes);

/// Operands x and w of ordinary and nasty convolutions with their attributes, without names'
/// prefix.
std::vector<Sample> convolution_samples();

std::vector<double> to_doubles(const Tensor& tensor);
Tensor to_tensor(const TensorType& type, const std::vector<double>& values);

}  // namespace cnnc
