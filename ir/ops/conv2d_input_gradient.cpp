// conv2d_input_gradient(dy[n,oh,ow,co], w[kh,kw,ci/groups,co]) -> dx[n,h,w,ci], h, w and ci from
// the attribute `input`. A gather: the correlation of `dilated` (dy with stride - 1 zeros between
// its rows and columns and a border of zeros, so that the sum needs no tests) with `flipped` (w
// rotated by a half turn, its channels transposed, so that ci is innermost and contiguous). Along
// one axis, with f = kernel - 1 - k:
//   dx[i] = sum over f of dilated[i + f * dilation] * flipped[f]      dilated[p] = dy[(p - first) /
//   stride] where that divides and exists
// Strides of a few pixels take another way, which leaves out the zeros between dy's rows and
// columns, not those of the border: input_gradient.h. It makes a difference for weights that are
// not finite, since zero times one of them is NaN.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/input_gradient.h"

namespace cnnc {
namespace {

constexpr auto kName = "conv2d_input_gradient";

Convolution convolution(const Attributes& attributes, const TensorType& dy, const TensorType& w) {
  check_real(kName, "output gradient", dy, 4);
  check_real(kName, "weight", w, 4);
  const auto& input = attributes.integers("input");
  if (input.size() != 3) fail("{}: input needs 3 numbers, not {}", kName, input.size());
  const Dims dims{dy.dims[0], input[0], input[1], input[2]};
  const bool positive = input[0] > 0 && input[1] > 0 && input[2] > 0;
  if (!positive || !checked_element_count(input, 1, kMaxElements))
    fail("{}: an input of {} is not possible", kName, shape_text(dims));
  const Convolution conv = make_convolution(kName, attributes, dims, w.dims);
  check_output_gradient(kName, conv, dy, w.scalar);
  return conv;
}

/// Where dy's first row or column lies in `dilated`; negative where padding hid the first ones from
/// the input.
std::int64_t first(const Window& window, std::size_t axis) {
  return window.span(axis) - 1 - window.before(axis);
}

/// dilated[n, y, x, c], exactly as large as the sum reads.
Stage dilated_stage(const Convolution& conv, ScalarType type) {
  const Dims y = conv.output();
  Stage stage{"dilated", type, {}, {}, Reduction::add, {}};
  stage.axes = {make_axis("n", conv.batch), make_axis("y", conv.height + conv.window.span(0) - 1),
                make_axis("x", conv.width + conv.window.span(1) - 1), make_axis("c", conv.out())};
  std::vector<Expr> index;
  for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
  Expr inside;
  const auto require = [&](Expr condition) { inside = inside ? inside & condition : condition; };
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t before = first(conv.window, axis), stride = conv.window.stride[axis];
    const std::int64_t last = (y[axis + 1] - 1) * stride;  // of dy's rows, counted from `before`
    const Expr distance = index[axis + 1] - Expr(before);
    if (before > 0) require(Expr(0) <= distance);
    if (before + last + 1 < stage.axes[axis + 1].extent) require(distance <= Expr(last));
    if (stride > 1) require(equal(distance % Expr(stride), Expr(0)));
    Expr clamped = distance;
    if (before > 0) clamped = max(clamped, Expr(0));
    if (before + last + 1 < stage.axes[axis + 1].extent) clamped = min(clamped, Expr(last));
    index[axis + 1] = clamped / Expr(stride);
  }
  const Expr value = load(0, type, std::move(index));
  stage.value = inside ? select(inside, value, constant(type, 0)) : value;
  return stage;
}

/// True where `dilated` would be dy itself.
bool is_plain(const Convolution& conv) {
  const Dims y = conv.output();
  bool plain = true;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = (axis == 0 ? conv.height : conv.width) + conv.window.span(axis) - 1;
    plain = plain && first(conv.window, axis) == 0 && conv.window.stride[axis] == 1 &&
            size == y[axis + 1];
  }
  return plain;
}

Computation compute(const OpContext& context) {
  const Convolution conv =
      convolution(context.attributes, context.operands[0], context.operands[1]);
  const Window& window = conv.window;
  const ScalarType type = context.operands[0].scalar;
  if (has_phases(conv)) return input_gradient_by_phase(conv, type);
  const InputGradientChannels channels = input_gradient_channels(conv);
  Computation result;
  BufferId source = 0;
  if (!is_plain(conv)) {
    result.stages.push_back(dilated_stage(conv, type));
    source = 2;
  }
  const BufferId weights = 2 + static_cast<BufferId>(result.stages.size());
  result.stages.push_back(flipped_stage(conv, channels, type));

  const Axis n = make_axis("n", conv.batch), y = make_axis("y", conv.height),
             x = make_axis("x", conv.width);
  const Axis fy = make_axis("fy", window.kernel[0]), fx = make_axis("fx", window.kernel[1]);
  Stage stage{"input_gradient", type, {n, y, x}, {fy, fx}, Reduction::add, {}};
  stage.axes.insert(stage.axes.end(), channels.outer.begin(), channels.outer.end());
  stage.reduce.insert(stage.reduce.end(), channels.reduce.begin(), channels.reduce.end());
  std::vector<Expr> weight_index{fy.var, fx.var};
  weight_index.insert(weight_index.end(), channels.flipped.begin(), channels.flipped.end());
  stage.value = load(source, type,
                     {n.var, Expr(y.var) + Expr(fy.var) * window.dilation[0],
                      Expr(x.var) + Expr(fx.var) * window.dilation[1], channels.out}) *
                load(weights, type, std::move(weight_index));
  result.results = {{false, static_cast<int>(result.stages.size())}};
  result.stages.push_back(std::move(stage));
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  const Dims kernel = builder.type(node.operands[1]).dims;
  const Attributes plain = convolution_attributes(node.attributes);
  Attributes for_weight = plain;
  for_weight.set("kernel", Dims{kernel[0], kernel[1]});
  return {builder.op("conv2d", {*gradients[0], node.operands[1]}, plain),
          builder.op("conv2d_weight_gradient", {*gradients[0], node.operands[0]}, for_weight)};
}

/// Where tap `k` of the kernel meets row (or column) `at` of x: a row of dy, the border around dy
/// or a zero between its rows.
enum class Meets : std::uint8_t { row, border, between };
Meets met(const Convolution& conv, std::size_t axis, std::int64_t at, std::int64_t k) {
  const std::int64_t distance = at + conv.window.before(axis) - k * conv.window.dilation[axis];
  const std::int64_t stride = conv.window.stride[axis];
  if (distance % stride != 0) return Meets::between;
  return distance >= 0 && distance / stride < conv.output()[axis + 1] ? Meets::row : Meets::border;
}

/// For the reference: adds w's products with the zeros around dy and, without phases, between its
/// rows.
void add_products_with_zero(const Convolution& conv, const std::vector<double>& w,
                            std::vector<double>& dx) {
  const auto out = static_cast<std::size_t>(conv.out());
  std::size_t i = 0;
  for (std::int64_t n = 0; n < conv.batch; ++n)
    for (std::int64_t y = 0; y < conv.height; ++y)
      for (std::int64_t x = 0; x < conv.width; ++x)
        for (std::int64_t c = 0; c < conv.in(); ++c, ++i)
          for (std::int64_t ky = 0; ky < conv.window.kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < conv.window.kernel[1]; ++kx) {
              const Meets row = met(conv, 0, y, ky), column = met(conv, 1, x, kx);
              const bool between = row == Meets::between || column == Meets::between;
              const bool real = row == Meets::row && column == Meets::row;
              if (real || (between && has_phases(conv))) continue;
              const std::int64_t tap = ky * conv.window.kernel[1] + kx;
              std::size_t k =
                  static_cast<std::size_t>(tap * conv.group_in + c % conv.group_in) * out +
                  static_cast<std::size_t>(c / conv.group_in * conv.group_out);
              for (std::int64_t co = 0; co < conv.group_out; ++co) dx[i] += 0 * w[k++];
            }
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Convolution conv =
      make_convolution("reference", attributes, results[0].dims, operands[1].type().dims);
  const std::vector<double> dy = to_doubles(operands[0]), w = to_doubles(operands[1]);
  std::vector<double> dx(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_tap(conv, [&](std::size_t i, std::size_t k, std::size_t o) {
    if (i != kBorder) dx[i] += dy[o] * w[k];
  });
  add_products_with_zero(conv, w, dx);
  return {to_tensor(results[0], dx)};
}

std::vector<Sample> samples() {
  std::vector<Sample> result;
  for (Sample sample : convolution_samples()) {
    const Dims input = sample.operands[0].dims;
    const Convolution conv =
        make_convolution("sample", sample.attributes, input, sample.operands[1].dims);
    sample.operands[0].dims = conv.output();
    sample.attributes.set("input", Dims(input.begin() + 1, input.end()));
    result.push_back(std::move(sample));
  }
  return result;
}

}  // namespace

OpDef conv2d_input_gradient_op() {
  OpDef op;
  op.name = kName;
  op.description =
      "gradient of conv2d with respect to x, from the output's gradient and the weights";
  op.attributes = {"stride", "pad", "dilation", "groups", "input"};
  op.type_rule = [](const OpContext& context) {
    expect_operands(kName, context, 2);
    const Convolution conv =
        convolution(context.attributes, context.operands[0], context.operands[1]);
    return std::vector<TensorType>{{context.operands[0].scalar, conv.input()}};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.flops = [](const OpContext& context) {
    return convolution(context.attributes, context.operands[0], context.operands[1]).flops();
  };
  op.samples = samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
