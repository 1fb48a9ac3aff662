#include "ir/ops/input_gradient.h"

#include <algorithm>
#include <numeric>

namespace cnnc {
namespace {

/// More phases than this would be more code than the zeros cost.
constexpr std::int64_t kMaxPhases = 16;

/// The rows i * stride + offset of x (or columns: one axis), i in 0 .. count, and the taps
/// k = first + t * step, t in 0 .. taps, whose products reach them: those with row
/// i + shift - t * back of dy.
struct Phase {
  std::int64_t taps = 0, first = 0, step = 1;
  std::int64_t shift = 0, back = 1;
};

std::int64_t count_of(const Convolution& conv, std::size_t axis) {
  const std::int64_t size = axis == 0 ? conv.height : conv.width, s = conv.window.stride[axis];
  return (size + s - 1) / s;
}

Phase phase_of(const Window& window, std::size_t axis, std::int64_t offset) {
  const std::int64_t stride = window.stride[axis], dilation = window.dilation[axis];
  const std::int64_t at = offset + window.before(axis), divisor = std::gcd(stride, dilation);
  Phase phase{.step = stride / divisor, .back = dilation / divisor};
  for (std::int64_t k = 0; k < std::min(phase.step, window.kernel[axis]); ++k) {
    if ((at - k * dilation) % stride != 0) continue;
    phase.first = k;
    phase.taps = (window.kernel[axis] - 1 - k) / phase.step + 1;
    phase.shift = (at - k * dilation) / stride;
    break;
  }
  return phase;
}

std::vector<Phase> phases_of(const Convolution& conv, std::size_t axis) {
  std::vector<Phase> phases;
  for (std::int64_t offset = 0; offset < conv.window.stride[axis]; ++offset)
    phases.push_back(phase_of(conv.window, axis, offset));
  return phases;
}

/// The window's pads as those of a border around dy of the width that the phases read.
Window border_of(const Convolution& conv, const std::array<std::vector<Phase>, 2>& phases) {
  Window window;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    std::int64_t low = 0, high = 0;
    for (const Phase& phase : phases[axis]) {
      if (phase.taps == 0) continue;
      low = std::min(low, phase.shift - (phase.taps - 1) * phase.back);
      high = std::max(high, phase.shift + count_of(conv, axis) - 1);
    }
    window.pad[2 * axis] = -low;
    window.pad[2 * axis + 1] = std::max<std::int64_t>(0, high - (conv.output()[axis + 1] - 1));
  }
  return window;
}

/// Adds the last stage, which takes each element of x's gradient from its phase's stage; -1: zero.
/// Where the strides divide the size, its axes are those of the phases and the phases themselves,
/// which leaves no division.
void add_assembly(const Convolution& conv, ScalarType type, const std::vector<Axis>& channels,
                  const std::vector<std::vector<BufferId>>& parts, Computation& result) {
  Stage stage{"input_gradient", type, {make_axis("n", conv.batch)}, {}, Reduction::add, {}};
  std::array<Expr, 2> at, phase;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = axis == 0 ? conv.height : conv.width, s = conv.window.stride[axis];
    const std::string name = axis == 0 ? "y" : "x";
    if (size % s == 0) {
      stage.axes.push_back(make_axis(name, size / s));
      at[axis] = stage.axes.back().var;
      stage.axes.push_back(make_axis(name + ".phase", s));
      phase[axis] = s == 1 ? Expr(0) : Expr(stage.axes.back().var);
    } else {
      stage.axes.push_back(make_axis(name, size));
      at[axis] = Expr(stage.axes.back().var) / Expr(s);
      phase[axis] = Expr(stage.axes.back().var) % Expr(s);
    }
  }
  std::vector<Expr> index{stage.axes.front().var, at[0], at[1]};
  for (const Axis& axis : channels) {
    stage.axes.push_back(make_axis(axis.var->name, axis.extent));
    index.emplace_back(stage.axes.back().var);
  }
  const auto part = [&](BufferId id) { return id < 0 ? constant(type, 0) : load(id, type, index); };
  for (std::size_t y = parts.size(); y-- > 0;) {
    Expr row;
    for (std::size_t x = parts[y].size(); x-- > 0;)
      row = row ? select(phase[1] < Expr(static_cast<std::int64_t>(x) + 1), part(parts[y][x]), row)
                : part(parts[y][x]);
    stage.value = stage.value
                      ? select(phase[0] < Expr(static_cast<std::int64_t>(y) + 1), row, stage.value)
                      : row;
  }
  result.results = {{false, static_cast<int>(result.stages.size())}};
  result.stages.push_back(std::move(stage));
}

}  // namespace

InputGradientChannels input_gradient_channels(const Convolution& conv) {
  InputGradientChannels result;
  if (conv.groups == 1 || conv.group_in > 1) {  // flipped[fy, fx, co, ci of the group]
    const Axis co = make_axis("co", conv.out()), ci = make_axis("ci", conv.group_in);
    result.flipped_axes = {co, ci};
    result.weight_out = co.var;
    result.weight_in = ci.var;
    const Axis c = make_axis("ci", conv.group_in), k = make_axis("co", conv.group_out);
    result.reduce = {k};
    result.outer = {c};
    result.out = k.var;
    if (conv.groups > 1) {
      const Axis g = make_axis("g", conv.groups);
      result.outer = {g, c};
      result.out = Expr(g.var) * Expr(conv.group_out) + Expr(k.var);
    }
    result.flipped = {result.out, c.var};
    return result;
  }
  // Depthwise: flipped[fy, fx, co of the group, ci].
  const Axis c = make_axis("ci", conv.groups), fc = make_axis("ci", conv.groups);
  result.outer = {c};
  result.weight_in = Expr(0);
  if (conv.group_out == 1) {
    result.out = c.var;
    result.flipped = {c.var};
    result.flipped_axes = {fc};
    result.weight_out = fc.var;
    return result;
  }
  const Axis k = make_axis("co", conv.group_out), fk = make_axis("co", conv.group_out);
  result.reduce = {k};
  result.out = Expr(c.var) * Expr(conv.group_out) + Expr(k.var);
  result.flipped = {k.var, c.var};
  result.flipped_axes = {fk, fc};
  result.weight_out = Expr(fc.var) * Expr(conv.group_out) + Expr(fk.var);
  return result;
}

Stage flipped_stage(const Convolution& conv, const InputGradientChannels& channels,
                    ScalarType type) {
  const auto& kernel = conv.window.kernel;
  const Axis ky = make_axis("ky", kernel[0]), kx = make_axis("kx", kernel[1]);
  Stage flipped{"flipped", type, {ky, kx}, {}, Reduction::add, {}};
  flipped.axes.insert(flipped.axes.end(), channels.flipped_axes.begin(),
                      channels.flipped_axes.end());
  flipped.value = load(1, type,
                       {Expr(kernel[0] - 1) - Expr(ky.var), Expr(kernel[1] - 1) - Expr(kx.var),
                        channels.weight_in, channels.weight_out});
  return flipped;
}

bool has_phases(const Convolution& conv) {
  const auto& [y, x] = conv.window.stride;
  return (y > 1 || x > 1) && y <= kMaxPhases && x <= kMaxPhases && y * x <= kMaxPhases;
}

Computation input_gradient_by_phase(const Convolution& conv, ScalarType type) {
  const std::array phases{phases_of(conv, 0), phases_of(conv, 1)};
  const Window border = border_of(conv, phases);
  Computation result;
  const auto add = [&](Stage stage) {
    result.stages.push_back(std::move(stage));
    return 1 + static_cast<BufferId>(result.stages.size());
  };
  const BufferId source = border.padded() ? add(pad_stage(0, {type, conv.output()}, border, 0)) : 0;
  const BufferId weights = add(flipped_stage(conv, input_gradient_channels(conv), type));
  std::vector<std::vector<BufferId>> parts(phases[0].size());
  for (std::size_t py = 0; py < phases[0].size(); ++py) {
    for (std::size_t px = 0; px < phases[1].size(); ++px) {
      const std::array one{phases[0][py], phases[1][px]};
      if (one[0].taps == 0 || one[1].taps == 0) {
        parts[py].push_back(-1);
        continue;
      }
      const InputGradientChannels channels = input_gradient_channels(conv);
      Stage stage{fmt::format("phase{}{}", py, px), type, {}, {}, Reduction::add, {}};
      stage.axes = {make_axis("n", conv.batch), make_axis("y", count_of(conv, 0)),
                    make_axis("x", count_of(conv, 1))};
      stage.reduce = {make_axis("fy", one[0].taps), make_axis("fx", one[1].taps)};
      std::vector<Expr> from{stage.axes[0].var}, weight;
      for (std::size_t axis = 0; axis < 2; ++axis) {
        // Taps from the last to the first: dy's rows and flipped's then ascend.
        const Phase& phase = one[axis];
        const Expr tap = stage.reduce[axis].var;
        const std::int64_t last = phase.taps - 1;
        from.push_back(Expr(stage.axes[axis + 1].var) + tap * phase.back +
                       Expr(phase.shift - last * phase.back + border.before(axis)));
        weight.push_back(tap * phase.step +
                         Expr(conv.window.kernel[axis] - 1 - (phase.first + last * phase.step)));
      }
      from.push_back(channels.out);
      weight.insert(weight.end(), channels.flipped.begin(), channels.flipped.end());
      stage.axes.insert(stage.axes.end(), channels.outer.begin(), channels.outer.end());
      stage.reduce.insert(stage.reduce.end(), channels.reduce.begin(), channels.reduce.end());
      stage.value = load(source, type, std::move(from)) * load(weights, type, std::move(weight));
      parts[py].push_back(add(std::move(stage)));
    }
  }
  add_assembly(conv, type, input_gradient_channels(conv).outer, parts, result);
  return result;
}

}  // namespace cnnc
