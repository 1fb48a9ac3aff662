#include "ir/ops/window.h"

#include <fmt/ranges.h>

namespace cnnc {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 24;  // products of two stay far from overflow

template <std::size_t N>
std::array<std::int64_t, N> numbers(std::string_view op, const Attributes& attributes,
                                    std::string_view name, std::int64_t least) {
  const auto& list = attributes.integers(name);
  if (list.size() != N)
    fail("{}: {} needs {} numbers, not [{}]", op, name, N, fmt::join(list, ","));
  std::array<std::int64_t, N> result{};
  for (std::size_t i = 0; i < N; ++i) {
    if (list[i] < least || list[i] > kLargest)
      fail("{}: {} {} is not in {} .. {}", op, name, list[i], least, kLargest);
    result[i] = list[i];
  }
  return result;
}

}  // namespace

Window conv_window(std::string_view op, const Attributes& attributes, std::int64_t kernel_height,
                   std::int64_t kernel_width) {
  Window window;
  window.kernel = {kernel_height, kernel_width};
  for (auto size : window.kernel)
    if (size < 1 || size > kLargest)
      fail("{}: kernel size {} is not in 1 .. {}", op, size, kLargest);
  window.stride = numbers<2>(op, attributes, "stride", 1);
  window.dilation = numbers<2>(op, attributes, "dilation", 1);
  window.pad = numbers<4>(op, attributes, "pad", 0);
  return window;
}

Window pool_window(std::string_view op, const Attributes& attributes) {
  Window window;
  window.kernel = numbers<2>(op, attributes, "size", 1);
  window.stride = numbers<2>(op, attributes, "stride", 1);
  window.pad = numbers<4>(op, attributes, "pad", 0);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (window.before(axis) >= window.kernel[axis] || window.after(axis) >= window.kernel[axis]) {
      fail("{}: pad {} is not smaller than the {}x{} window", op, pad_text(window),
           window.kernel[0], window.kernel[1]);
    }
  }
  return window;
}

void check_fits(std::string_view op, const Window& window, const Dims& input) {
  const std::int64_t height = input.at(1) + window.pad[0] + window.pad[1];
  const std::int64_t width = input.at(2) + window.pad[2] + window.pad[3];
  if (window.span(0) > height || window.span(1) > width) {
    std::string dilation;
    if (window.dilation != std::array<std::int64_t, 2>{1, 1})
      dilation = fmt::format(", dilation {}x{}", window.dilation[0], window.dilation[1]);
    fail("{}: kernel {}x{} does not fit the {} input (pad {}{})", op, window.kernel[0],
         window.kernel[1], shape_text(input), pad_text(window), dilation);
  }
  if (!checked_element_count({height, width, input.at(3)}, 1, kMaxElements)) {
    fail("{}: the {} input with pad {} has more than {} elements", op, shape_text(input),
         pad_text(window), kMaxElements);
  }
}

void check_real(std::string_view op, std::string_view operand, const TensorType& type,
                std::size_t rank) {
  if (!is_float(type.scalar) || type.dims.size() != rank)
    fail("{}: {} must be f32 or f64 with {} dimensions, not {}", op, operand, rank,
         to_string(type));
}

std::string shape_text(const Dims& dims) {
  const std::size_t first = !dims.empty() && dims.front() == kBatch ? 1 : 0;
  return fmt::format("{}",
                     fmt::join(dims.begin() + static_cast<std::ptrdiff_t>(first), dims.end(), "x"));
}

std::string pad_text(const Window& window) {
  const auto& pad = window.pad;
  if (pad[0] == pad[1] && pad[0] == pad[2] && pad[0] == pad[3]) return fmt::format("{}", pad[0]);
  return fmt::format("{}", fmt::join(pad, ","));
}

Axis make_axis(std::string name, std::int64_t extent) {
  return {make_var(std::move(name)), extent};
}

Stage pad_stage(BufferId operand, const TensorType& input, const Window& window, double fill) {
  Stage stage;
  stage.name = "padded";
  stage.type = input.scalar;
  stage.axes = {
      make_axis("n", input.dims[0]), make_axis("y", input.dims[1] + window.pad[0] + window.pad[1]),
      make_axis("x", input.dims[2] + window.pad[2] + window.pad[3]), make_axis("c", input.dims[3])};
  Expr inside;
  const auto require = [&](Expr condition) { inside = inside ? inside & condition : condition; };
  std::vector<Expr> index;
  for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t before = window.before(i), extent = input.dims[i + 1];
    const Expr position = index[i + 1];
    Expr source = position - Expr(before);
    if (before > 0) {
      require(Expr(before) <= position);
      source = max(source, Expr(0));
    }
    if (window.after(i) > 0) {
      require(position < Expr(before + extent));
      source = min(source, Expr(extent - 1));
    }
    index[i + 1] = source;
  }
  const Expr value = load(operand, input.scalar, std::move(index));
  stage.value = inside ? select(inside, value, constant(input.scalar, fill)) : value;
  return stage;
}

}  // namespace cnnc
