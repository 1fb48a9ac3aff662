#include "ir/ops/pooling.h"

namespace cnnc {

bool Pooling::covers_exactly() const {
  return window.stride == window.kernel && !window.padded() &&
         input[1] == output[1] * window.kernel[0] && input[2] == output[2] * window.kernel[1];
}

Pooling make_pooling(std::string_view op, const Attributes& attributes, const TensorType& input) {
  check_real(op, "input", input, 4);
  Pooling pooling{pool_window(op, attributes), input.dims, {}};
  check_fits(op, pooling.window, input.dims);
  pooling.output = {input.dims[0], pooling.window.output(0, input.dims[1]),
                    pooling.window.output(1, input.dims[2]), input.dims[3]};
  return pooling;
}

Pooling make_pooling_gradient(std::string_view op, const Attributes& attributes,
                              const TensorType& gradient) {
  check_real(op, "output gradient", gradient, 4);
  const auto& size = attributes.integers("input");
  if (size.size() != 3) fail("{}: input needs 3 numbers, not {}", op, size.size());
  for (auto extent : size)
    if (extent < 1) fail("{}: an input of {} is not possible", op, shape_text(size));
  const TensorType input{gradient.scalar, {gradient.dims[0], size[0], size[1], size[2]}};
  if (!checked_element_count(size, 1, kMaxElements))
    fail("{}: an input of {} is not possible", op, shape_text(size));
  Pooling pooling = make_pooling(op, attributes, input);
  if (gradient.dims != pooling.output) {
    fail("{}: the output's gradient is {}, but the output is {}", op, to_string(gradient),
         to_string(TensorType{gradient.scalar, pooling.output}));
  }
  return pooling;
}

namespace {

Stage exact_cover(const Pooling& pooling, ScalarType type, const WindowValue& value) {
  const auto& kernel = pooling.window.kernel;
  const Axis n = make_axis("n", pooling.input[0]), oy = make_axis("oy", pooling.output[1]),
             ky = make_axis("ky", kernel[0]), ox = make_axis("ox", pooling.output[2]),
             kx = make_axis("kx", kernel[1]), c = make_axis("c", pooling.input[3]);
  const Expr place = Expr(ky.var) * Expr(kernel[1]) + Expr(kx.var);
  return {"gathered", type,           {n, oy, ky, ox, kx, c},
          {},         Reduction::add, value({n.var, oy.var, ox.var, c.var}, place)};
}

/// Along one axis: the candidate window `back` before the last one that begins at or before
/// `position`.
struct Candidate {
  Expr output;  // clamped
  Expr offset;  // of the element in the window; meaningful where valid
  Expr valid;
};

Candidate candidate(const Pooling& pooling, std::size_t axis, const Expr& position,
                    const Expr& back) {
  const Window& window = pooling.window;
  const std::int64_t outputs = pooling.output[axis + 1];
  const Expr padded = position + Expr(window.before(axis)), stride(window.stride[axis]);
  const Expr output = padded / stride - back;
  Candidate result;
  result.output = min(max(output, Expr(0)), Expr(outputs - 1));
  result.offset = padded % stride + back * stride;
  result.valid =
      (Expr(0) <= output) & (output < Expr(outputs)) & (result.offset < Expr(window.kernel[axis]));
  return result;
}

}  // namespace

Stage gather_from_windows(const Pooling& pooling, ScalarType type, const WindowValue& value) {
  if (pooling.covers_exactly()) return exact_cover(pooling, type, value);
  const Window& window = pooling.window;
  const Axis n = make_axis("n", pooling.input[0]), y = make_axis("y", pooling.input[1]),
             x = make_axis("x", pooling.input[2]), c = make_axis("c", pooling.input[3]);
  Stage stage{"gathered", type, {n, y, x, c}, {}, Reduction::add, {}};
  std::array<Candidate, 2> candidates;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t count = (window.kernel[axis] - 1) / window.stride[axis] + 1;
    Expr back(0);
    if (count > 1) {
      stage.reduce.push_back(make_axis(axis == 0 ? "by" : "bx", count));
      back = stage.reduce.back().var;
    }
    candidates[axis] = candidate(pooling, axis, axis == 0 ? y.var : x.var, back);
  }
  const auto& [row, column] = candidates;
  const Expr place = row.offset * Expr(window.kernel[1]) + column.offset;
  stage.value = select(row.valid & column.valid,
                       value({n.var, row.output, column.output, c.var}, place), constant(type, 0));
  return stage;
}

void for_each_window_element(const Pooling& pooling, const WindowVisitor& visit) {
  const auto index = [](const Dims& dims, std::int64_t a, std::int64_t b, std::int64_t c,
                        std::int64_t d) {
    return static_cast<std::size_t>(((a * dims[1] + b) * dims[2] + c) * dims[3] + d);
  };
  const auto& window = pooling.window;
  const Dims &in = pooling.input, &out = pooling.output;
  for (std::int64_t n = 0; n < out[0]; ++n)
    for (std::int64_t oy = 0; oy < out[1]; ++oy)
      for (std::int64_t ox = 0; ox < out[2]; ++ox)
        for (std::int64_t c = 0; c < out[3]; ++c)
          for (std::int64_t place = 0; place < pooling.area(); ++place) {
            const std::int64_t y = oy * window.stride[0] - window.pad[0] + place / window.kernel[1];
            const std::int64_t x = ox * window.stride[1] - window.pad[2] + place % window.kernel[1];
            if (y < 0 || y >= in[1] || x < 0 || x >= in[2]) continue;
            visit(index(in, n, y, x, c), index(out, n, oy, ox, c), place);
          }
}

std::vector<Sample> pooling_samples() {
  std::vector<Sample> samples;
  const auto add = [&](std::string name, Dims x, Dims size, Dims stride, Dims pad) {
    samples.push_back(
        {std::move(name),
         {{ScalarType::f32, std::move(x)}},
         {{"size", std::move(size)}, {"stride", std::move(stride)}, {"pad", std::move(pad)}},
         {}});
  };
  add("halves", {kBatch, 6, 4, 5}, {2, 2}, {2, 2}, {0, 0, 0, 0});
  add("leaves_a_rest", {kBatch, 7, 5, 3}, {2, 2}, {2, 2}, {0, 0, 0, 0});
  add("one_element", {kBatch, 3, 2, 4}, {1, 1}, {1, 1}, {0, 0, 0, 0});
  add("whole_input", {kBatch, 3, 5, 2}, {3, 5}, {3, 5}, {0, 0, 0, 0});
  add("oblong", {kBatch, 6, 9, 17}, {2, 3}, {2, 3}, {0, 0, 0, 0});
  add("overlapping", {kBatch, 7, 6, 2}, {3, 3}, {2, 1}, {0, 0, 0, 0});
  add("with_gaps", {kBatch, 8, 7, 2}, {2, 1}, {3, 2}, {0, 0, 0, 0});
  add("padded", {kBatch, 5, 4, 3}, {3, 3}, {2, 2}, {1, 1, 1, 1});
  add("unequal_pad", {kBatch, 4, 5, 1}, {3, 2}, {1, 2}, {2, 0, 0, 1});
  add("place_over_255", {kBatch, 17, 16, 1}, {17, 16}, {1, 1}, {0, 0, 0, 0});
  return samples;
}

std::vector<Sample> pooling_gradient_samples() {
  std::vector<Sample> samples = pooling_samples();
  for (Sample& sample : samples) {
    const Pooling pooling = make_pooling("sample", sample.attributes, sample.operands[0]);
    sample.operands[0].dims = pooling.output;
    sample.attributes.set("input", Dims(pooling.input.begin() + 1, pooling.input.end()));
  }
  return samples;
}

}  // namespace cnnc
