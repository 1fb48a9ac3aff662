#include "passes/cost/choose_tiling.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Lanes that are put together must promise to take less than this share of the time without.
constexpr double kWorthIt = 0.85;

/// Sums of fewer terms spend their time on what follows them: where that goes lane by lane, by code
/// of its own each, a tile in more registers than these is more code and no faster.
constexpr double kFewTerms = 16;
constexpr std::int64_t kFewRegisters = 6;
/// Cycles for storing one lane of a vector on its own.
constexpr double kStoreLane = 1.5;

class TilingChooser {
 public:
  TilingChooser(const Program& program, const ReductionNest& nest, const PassContext& context)
      : program_(program),
        nest_(nest),
        target_(context.target),
        given_(context.config.tile),
        lanes_(widest_lanes()),
        terms_(nest.term_count) {}

  /// Innermost first, an axis whose neighbours are neighbours in the result and in the operands;
  /// where that one fills no vector, whichever the model takes for the fastest, lanes being put
  /// together and taken apart included.
  Tiling run() const {
    std::vector<std::pair<int, Strides>> candidates;
    for (std::size_t a = nest_.axes.size(); a-- > 0;)
      if (const auto strides = strides_along(nest_.axes[a]))
        candidates.emplace_back(static_cast<int>(a), *strides);
    const auto contiguous = std::ranges::find_if(
        candidates, [](const auto& candidate) { return candidate.second.contiguous(); });
    Choice best = contiguous == candidates.end() ? choice(-1, {})
                                                 : choice(contiguous->first, contiguous->second);
    if (fills_vectors(best)) return tiling(best);
    const int first = best.vector;
    double least = kWorthIt * nest_cycles(best);
    for (const auto& [axis, strides] : candidates) {
      if (axis == first) continue;
      Choice other = choice(axis, strides);
      const double cycles = nest_cycles(other);
      if (cycles >= least) continue;
      least = cycles;
      best = std::move(other);
    }
    return tiling(best);
  }

 private:
  /// Elements from neighbour to neighbour along an axis: in the result, and in each operand.
  struct Strides {
    std::int64_t result = 0;
    std::vector<std::int64_t> operands;
    bool contiguous() const {
      return result == 1 && std::ranges::all_of(operands, [](auto s) { return s == 0 || s == 1; });
    }
  };

  struct Choice {
    int vector;
    Strides strides;
    Tile tile;
  };

  Choice choice(int vector, const Strides& strides) const {
    return {vector, strides, model_tile(vector, strides)};
  }

  bool fills_vectors(const Choice& choice) const {
    return choice.vector >= 0 && choice.strides.contiguous() &&
           *extent(nest_.axes[static_cast<std::size_t>(choice.vector)]) >= lanes_;
  }

  Tiling tiling(const Choice& choice) const {
    double cycles = nest_cycles(choice);
    for (const For& loop : nest_.axes)
      if (!extent(loop)) cycles /= static_cast<double>(assumed_extent(program_, loop));
    return {choice.vector, lanes_, choice.tile, cycles, fills_vectors(choice)};
  }

  /// Elements of the widest type of the nest in one vector.
  std::int64_t widest_lanes() const {
    std::int64_t lanes = target_.lanes(program_.buffer(nest_.sum).type.scalar);
    for (const BufferAccess& access : accesses({Stmt{nest_.inner}}))
      if (!access.index.empty())
        lanes = std::min(lanes, target_.lanes(program_.buffer(access.buffer).type.scalar));
    return lanes;
  }

  bool is_operand(const BufferAccess& access) const {
    return access.buffer != nest_.sum && !access.index.empty();
  }

  /// Nothing where the axis cannot be a vector: its elements are too far from each other.
  std::optional<Strides> strides_along(const For& axis) const {
    if (!extent(axis) || *extent(axis) < 2) return std::nullopt;
    const auto result = memory_stride(program_, nest_.store.buffer, nest_.store.index, axis.var);
    if (!result || *result < 1) return std::nullopt;
    Strides strides{*result, {}};
    for (const BufferAccess& access : accesses({Stmt{nest_.inner}})) {
      if (!is_operand(access)) continue;
      const auto stride = memory_stride(program_, access.buffer, access.index, axis.var);
      const ScalarType type = program_.buffer(access.buffer).type.scalar;
      if (!stride || *stride < 0 || *stride > longest_stride(type)) return std::nullopt;
      strides.operands.push_back(*stride);
    }
    return strides;
  }

  /// Cycles for all sums of a nest and for storing them.
  double nest_cycles(const Choice& choice) const {
    double stores = 1;
    const std::int64_t width = choice.vector < 0 ? 1 : lanes_;
    for (std::size_t a = 0; a < nest_.axes.size(); ++a) {
      const std::int64_t length = assumed_extent(program_, nest_.axes[a]);
      stores *= static_cast<double>(
          static_cast<int>(a) == choice.vector ? (length + width - 1) / width : length);
    }
    stores *= static_cast<double>(std::ranges::count_if(
        accesses(nest_.epilogue), [&](const auto& access) { return is_operand(access); }));
    const std::int64_t stride = choice.strides.result;
    if (stride > 1 && stores_masked(target_))
      stores *= 2 * static_cast<double>(stride);
    else if (stride > 1)
      stores *= kStoreLane * static_cast<double>(width);
    return choice.tile.cycles * terms_ + stores;
  }

  Tile model_tile(int vector, const Strides& strides) const {
    std::vector<TileAxis> axes;
    for (std::size_t a = 0; a < nest_.axes.size(); ++a)
      axes.push_back({.extent = assumed_extent(program_, nest_.axes[a]),
                      .vector = static_cast<int>(a) == vector,
                      .dynamic = !extent(nest_.axes[a])});
    std::vector<TileLoad> loads;
    for (const BufferAccess& access : accesses({Stmt{nest_.inner}})) {
      if (!is_operand(access)) continue;
      TileLoad load;
      for (const For& axis : nest_.axes)
        load.varies.push_back(std::any_of(access.index.begin(), access.index.end(),
                                          [&](const Expr& e) { return depends_on(e, axis.var); }));
      if (loads.size() < strides.operands.size()) load.stride = strides.operands[loads.size()];
      loads.push_back(std::move(load));
    }
    Target target = target_;
    if (strides.result > 1 && terms_ < kFewTerms)
      target.registers = std::min(target.registers, kFewRegisters);
    return choose_tile(axes, loads, operations(nest_.inner.value), terms_, lanes_, target, given_);
  }

  /// Instructions of one accumulation: a product joins its sum in one. Those of an index are not
  /// among them: a tile computes it once.
  static std::int64_t operations(const Expr& value) {
    const Expr plain = transform(value, [](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      return l && !l->index.empty() ? load(l->buffer, e.type(), {}) : Expr();
    });
    std::int64_t count = 1;
    walk(plain, [&](const Expr& e) {
      const auto* binary = e.as<Binary>();
      if (e.as<Select>() || e.as<Unary>() || e.as<Cast>()) ++count;
      if (binary && (is_float(e.type()) || is_comparison(binary->op))) ++count;
    });
    const auto* product = plain.as<Binary>();
    return product && product->op == BinaryOp::mul ? count - 1 : count;
  }

  const Program& program_;
  const ReductionNest& nest_;
  const Target& target_;
  const std::vector<std::int64_t>& given_;
  const std::int64_t lanes_;
  const double terms_;
};

}  // namespace

Tiling choose_tiling(const Program& program, const ReductionNest& nest,
                     const PassContext& context) {
  return TilingChooser(program, nest, context).run();
}

}  // namespace cnnc
