// maxpool(x[n,h,w,c]) -> value, argmax[n,oh,ow,c]: padding counts as -inf and is never the arg-max;
// the arg-max is the place ky * kw + kx of the first maximum in row-major order, or of the first
// NaN.
#include <cmath>
#include <limits>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"
#include "ir/ops/pooling.h"

namespace cnnc {
namespace {

Pooling pooling_of(const OpContext& context) {
  return make_pooling("maxpool", context.attributes, context.operands[0]);
}

/// Where the window at (y, x) has its row ky and column kx inside the input; an empty Expr where
/// that is always so.
Expr inside(const Pooling& pooling, const std::array<Expr, 2>& padded) {
  Expr result;
  const auto require = [&](Expr condition) { result = result ? result & condition : condition; };
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t before = pooling.window.before(axis);
    if (before > 0) require(Expr(before) <= padded[axis]);
    if (pooling.window.after(axis) > 0)
      require(padded[axis] < Expr(before + pooling.input[axis + 1]));
  }
  return result;
}

Computation compute(const OpContext& context) {
  const Pooling pooling = pooling_of(context);
  const Window& window = pooling.window;
  const ScalarType type = context.operands[0].scalar, place_type = pooling.place_type();
  Computation result;
  BufferId source = 0;
  if (window.padded()) {
    result.stages.push_back(
        pad_stage(0, context.operands[0], window, -std::numeric_limits<double>::infinity()));
    source = 1;
  }
  struct Axes {
    std::vector<Axis> output, window;
    std::array<Expr, 2> position;  // in the padded input
    Expr place;
  };
  const auto axes = [&] {
    Axes a;
    a.output = {make_axis("n", pooling.output[0]), make_axis("y", pooling.output[1]),
                make_axis("x", pooling.output[2]), make_axis("c", pooling.output[3])};
    a.window = {make_axis("ky", window.kernel[0]), make_axis("kx", window.kernel[1])};
    for (std::size_t i = 0; i < 2; ++i)
      a.position[i] = Expr(a.output[i + 1].var) * window.stride[i] + Expr(a.window[i].var);
    a.place = Expr(a.window[0].var) * window.kernel[1] + Expr(a.window[1].var);
    return a;
  };
  const auto element = [&](const Axes& a) {
    return load(source, type, {a.output[0].var, a.position[0], a.position[1], a.output[3].var});
  };
  const Axes v = axes();
  const BufferId largest = 1 + static_cast<BufferId>(result.stages.size());
  result.stages.push_back({"value", type, v.output, v.window, Reduction::max, element(v)});

  const Axes p = axes();
  const Expr x = element(p);
  Expr hit = binary(BinaryOp::bit_or, equal(x, load(largest, type, indices_of(p.output))),
                    binary(BinaryOp::not_equal, x, x));
  if (const Expr in = inside(pooling, p.position)) hit = hit & in;
  const Expr none = integer_constant(place_type, pooling.area() - 1);
  result.stages.push_back({"argmax", place_type, p.output, p.window, Reduction::min,
                           select(hit, cast(place_type, p.place), none)});
  result.results = {{false, largest - 1}, {false, largest}};
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value> results,
                                           std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {std::nullopt};
  Attributes attributes = node.attributes;
  const Dims input = builder.type(node.operands[0]).dims;
  attributes.set("input", Dims(input.begin() + 1, input.end()));
  return {builder.op("maxpool_gradient", {*gradients[0], results[1]}, attributes)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Pooling pooling = make_pooling("maxpool", attributes, operands[0].type());
  const std::vector<double> x = to_doubles(operands[0]);
  std::vector<double> value(static_cast<std::size_t>(element_count(results[0].dims, 1))),
      place(value.size(), -1);
  for_each_window_element(pooling, [&](std::size_t i, std::size_t o, std::int64_t at) {
    const bool greater = x[i] > value[o] || (std::isnan(x[i]) && !std::isnan(value[o]));
    if (place[o] >= 0 && !greater) return;
    value[o] = x[i];
    place[o] = static_cast<double>(at);
  });
  return {to_tensor(results[0], value), to_tensor(results[1], place)};
}

/// Rows of windows: equal ones, zeros of either sign, one that is greatest twice, NaN; and windows
/// that overlap and are padded, all equal.
std::vector<Kink> ties() {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kLeast = -std::numeric_limits<double>::infinity();
  const auto image = [](std::int64_t height, std::int64_t width) {
    return std::vector<TensorType>{{ScalarType::f32, {1, height, width, 1}}};
  };
  return {{image(2, 12),
           {{"size", Dims{2, 2}}, {"stride", Dims{2, 2}}, {"pad", Dims{0, 0, 0, 0}}},
           {{1, 1, -0.0, 0, 1, 3, kNaN, 1,    1,    3, kLeast, kLeast,  //
             1, 1, 0,    0, 3, 2, 2,    kNaN, kNaN, 3, kLeast, kLeast}},
           {{1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0,  //
             0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}}},
          {image(2, 2),
           {{"size", Dims{2, 2}}, {"stride", Dims{1, 1}}, {"pad", Dims{1, 0, 1, 0}}},
           {{5, 5, 5, 5}},
           {{4, 0, 0, 0}}}};
}

}  // namespace

OpDef maxpool_op() {
  OpDef op;
  op.name = "maxpool";
  op.description = "maximum of each window, and the place ky * kw + kx of the first one in it";
  op.notes =
      "Of equal values the first in reading order wins and takes the gradient. NaN wins over "
      "numbers, "
      "padding over nothing.";
  op.attributes = {"size", "stride", "pad"};
  op.carries_size = true;
  op.type_rule = [](const OpContext& context) {
    expect_operands("maxpool", context, 1);
    const Pooling pooling = pooling_of(context);
    return std::vector<TensorType>{{context.operands[0].scalar, pooling.output},
                                   {pooling.place_type(), pooling.output}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.samples = pooling_samples();
  op.kinks = ties();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
