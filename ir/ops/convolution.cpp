#include "ir/ops/convolution.h"

namespace cnnc {

std::int64_t Convolution::flops() const {
  const Dims y = output();
  return 2 * y[1] * y[2] * y[3] * window.kernel[0] * window.kernel[1] * group_in;
}

Convolution make_convolution(std::string_view op, const Attributes& attributes, const Dims& input,
                             const Dims& kernel) {
  Convolution conv;
  conv.window = conv_window(op, attributes, kernel.at(0), kernel.at(1));
  conv.batch = input.at(0);
  conv.height = input.at(1);
  conv.width = input.at(2);
  conv.groups = attributes.integer("groups");
  if (conv.groups < 1) fail("{}: groups must be at least 1, not {}", op, conv.groups);
  if (input.at(3) % conv.groups != 0 || kernel.at(3) % conv.groups != 0) {
    fail("{}: {} groups do not divide the {} channels of the {} input and the {} output channels",
         op, conv.groups, input[3], shape_text(input), kernel[3]);
  }
  conv.group_in = input[3] / conv.groups;
  conv.group_out = kernel[3] / conv.groups;
  if (kernel.at(2) != conv.group_in) {
    fail("{}: weights {} take {} channels a group; the {} input has {} in {} groups", op,
         to_string(kernel), kernel[2], shape_text(input), input[3], conv.groups);
  }
  check_fits(op, conv.window, input);
  return conv;
}

Convolution make_convolution(std::string_view op, const Attributes& attributes,
                             const TensorType& input, const TensorType& kernel) {
  check_real(op, "input", input, 4);
  check_real(op, "weight", kernel, 4);
  if (input.scalar != kernel.scalar)
    fail("{}: input {} and weight {} differ in type", op, to_string(input), to_string(kernel));
  return make_convolution(op, attributes, input.dims, kernel.dims);
}

Convolution make_convolution(std::string_view op, const Attributes& attributes,
                             const TensorType& input, std::int64_t out) {
  check_real(op, "input", input, 4);
  const auto& kernel = attributes.integers("kernel");
  if (kernel.size() != 2) fail("{}: kernel needs 2 numbers, not {}", op, kernel.size());
  const std::int64_t groups = attributes.integer("groups");
  if (groups < 1) fail("{}: groups must be at least 1, not {}", op, groups);
  return make_convolution(op, attributes, input.dims,
                          {kernel[0], kernel[1], input.dims[3] / groups, out});
}

void check_output_gradient(std::string_view op, const Convolution& conv, const TensorType& gradient,
                           ScalarType scalar) {
  const TensorType expected{scalar, conv.output()};
  if (gradient != expected)
    fail("{}: the output's gradient is {}, but the output is {}", op, to_string(gradient),
         to_string(expected));
}

ChannelAxes channel_axes(const Convolution& conv) {
  ChannelAxes axes;
  axes.group_in = Expr(0);
  if (conv.groups == 1 || conv.group_in > 1) {
    axes.inner = {make_axis("ci", conv.group_in)};
    axes.group_in = axes.inner[0].var;
  }
  Expr group(0);
  if (conv.groups == 1) {
    axes.outer = {make_axis("co", conv.group_out)};
    axes.out = axes.outer[0].var;
  } else if (conv.group_out == 1) {
    axes.outer = {make_axis("co", conv.groups)};
    axes.out = group = axes.outer[0].var;
  } else {
    axes.outer = {make_axis("g", conv.groups), make_axis("co", conv.group_out)};
    group = axes.outer[0].var;
    axes.out = group * Expr(conv.group_out) + Expr(axes.outer[1].var);
  }
  if (conv.groups == 1) {
    axes.in = axes.group_in;
  } else if (axes.inner.empty()) {
    axes.in = group;
  } else {
    axes.in = group * Expr(conv.group_in) + axes.group_in;
  }
  return axes;
}

void for_each_tap(const Convolution& conv, const TapVisitor& visit) {
  const Dims y = conv.output();
  const auto index = [](const Dims& dims, std::int64_t a, std::int64_t b, std::int64_t c,
                        std::int64_t d) {
    return static_cast<std::size_t>(((a * dims[1] + b) * dims[2] + c) * dims[3] + d);
  };
  const Dims kernel = conv.kernel();
  const auto& window = conv.window;
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t oy = 0; oy < y[1]; ++oy)
      for (std::int64_t ox = 0; ox < y[2]; ++ox)
        for (std::int64_t co = 0; co < y[3]; ++co)
          for (std::int64_t ky = 0; ky < kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < kernel[1]; ++kx) {
              const std::int64_t iy =
                  oy * window.stride[0] + ky * window.dilation[0] - window.pad[0];
              const std::int64_t ix =
                  ox * window.stride[1] + kx * window.dilation[1] - window.pad[2];
              const bool inside = iy >= 0 && iy < conv.height && ix >= 0 && ix < conv.width;
              for (std::int64_t ci = 0; ci < conv.group_in; ++ci) {
                const std::int64_t channel = co / conv.group_out * conv.group_in + ci;
                visit(inside ? index(conv.input(), n, iy, ix, channel) : kBorder,
                      index(kernel, ky, kx, ci, co), index(y, n, oy, ox, co));
              }
            }
}

std::vector<Sample> convolution_samples() {
  std::vector<Sample> samples;
  const auto add = [&](std::string name, Dims x, Dims w, Dims stride, Dims pad, Dims dilation,
                       std::int64_t groups) {
    samples.push_back(
        {std::move(name),
         {{ScalarType::f32, std::move(x)}, {ScalarType::f32, std::move(w)}},
         {{"stride", stride}, {"pad", pad}, {"dilation", dilation}, {"groups", groups}},
         {}});
  };
  add("same_3x3", {kBatch, 6, 5, 3}, {3, 3, 3, 8}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1);
  add("valid_3x2", {kBatch, 5, 4, 2}, {3, 2, 2, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1);
  add("one_by_one", {kBatch, 3, 4, 5}, {1, 1, 5, 17}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1);
  add("one_channel", {kBatch, 5, 5, 1}, {3, 3, 1, 1}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1);
  add("stride_leaves_a_rest", {kBatch, 8, 7, 2}, {3, 3, 2, 4}, {2, 3}, {1, 0, 0, 1}, {1, 1}, 1);
  add("stride_divides_the_size", {kBatch, 6, 4, 2}, {3, 3, 2, 4}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1);
  add("stride_over_the_kernel", {kBatch, 7, 7, 2}, {2, 1, 2, 3}, {3, 3}, {0, 0, 0, 0}, {1, 1}, 1);
  add("more_phases_than_it_is_split_into", {kBatch, 9, 8, 2}, {2, 3, 2, 3}, {5, 4}, {1, 0, 0, 1},
      {1, 1}, 1);
  add("dilated_unequal_pad", {kBatch, 7, 6, 2}, {3, 2, 2, 3}, {1, 2}, {3, 1, 0, 2}, {2, 3}, 1);
  add("pad_over_the_kernel", {kBatch, 3, 2, 2}, {2, 2, 2, 3}, {1, 1}, {3, 4, 0, 3}, {1, 1}, 1);
  add("narrow_channels", {kBatch, 3, 21, 3}, {3, 3, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1);
  add("narrow_channels_apart", {kBatch, 4, 38, 2}, {1, 3, 2, 2}, {1, 2}, {0, 0, 1, 1}, {1, 1}, 1);
  add("one_channel_apart", {kBatch, 4, 36, 1}, {3, 3, 1, 1}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1);
  add("one_tap_of_one_channel", {kBatch, 2, 35, 1}, {1, 1, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1);
  add("kernel_is_the_input", {kBatch, 4, 3, 3}, {4, 3, 3, 6}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1);
  add("one_pixel", {kBatch, 1, 1, 3}, {3, 3, 3, 2}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1);
  add("one_pixel_for_a_stride", {kBatch, 1, 1, 3}, {3, 3, 3, 2}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1);
  add("two_groups", {kBatch, 5, 4, 4}, {3, 3, 2, 6}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2);
  add("depthwise", {kBatch, 5, 5, 6}, {3, 3, 1, 6}, {2, 1}, {1, 1, 1, 1}, {1, 1}, 6);
  add("depthwise_times_two", {kBatch, 4, 4, 3}, {2, 2, 1, 6}, {1, 1}, {0, 1, 0, 1}, {1, 1}, 3);
  add("groups_with_one_output", {kBatch, 4, 4, 6}, {2, 2, 2, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 3);
  return samples;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.get(static_cast<std::int64_t>(i));
  return values;
}

Tensor to_tensor(const TensorType& type, const std::vector<double>& values) {
  Tensor tensor(type);
  for (std::size_t i = 0; i < values.size(); ++i)
    tensor.set(static_cast<std::int64_t>(i), values[i]);
  return tensor;
}

Attributes convolution_attributes(const Attributes& attributes) {
  Attributes result;
  for (const auto* name : {"stride", "pad", "dilation", "groups"})
    result.set(name, *attributes.find(name));
  return result;
}

}  // namespace cnnc
