#include "passes/cost/tile_model.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Cycles from one FMA to one that uses its result, times FMAs started a cycle: accumulators needed
/// to keep the units busy.
constexpr double kIndependent = 8;
/// Instructions that a core has under way, most of them waiting for others.
constexpr double kUnderWay = 128;

/// Elements along an axis, or vectors along the vector axis: the largest factor that makes sense.
std::int64_t steps(const TileAxis& axis, std::int64_t lanes) {
  return axis.vector ? (axis.extent + lanes - 1) / lanes : axis.extent;
}

/// The factors of PassConfig::tile, as far as the axes have room for them.
Tile given_tile(const std::vector<TileAxis>& axes, std::int64_t lanes,
                const std::vector<std::int64_t>& given) {
  Tile tile{std::vector<std::int64_t>(axes.size(), 1)};
  for (std::size_t i = 1; i <= std::min(axes.size(), given.size()); ++i) {
    const TileAxis& axis = axes[axes.size() - i];
    tile.factors[axes.size() - i] =
        std::clamp<std::int64_t>(given[given.size() - i], 1, steps(axis, lanes));
  }
  return tile;
}

class Model {
 public:
  Model(const std::vector<TileAxis>& axes, const std::vector<TileLoad>& loads,
        std::int64_t operations, double terms, std::int64_t lanes, const Target& target)
      : axes_(axes),
        loads_(loads),
        operations_(static_cast<double>(operations)),
        terms_(terms),
        lanes_(lanes),
        target_(target) {}

  /// Cycles for one step of the reduction over a tile of `factors` (vectors along the vector axis).
  double tile_cycles(const std::vector<std::int64_t>& factors) const {
    double accumulators = 1, load_count = 0, shuffles = 0;
    for (auto f : factors) accumulators *= static_cast<double>(f);
    for (const TileLoad& load : loads_) {
      const auto vectors = static_cast<double>(distinct(load, factors));
      const auto parts = static_cast<double>(std::max<std::int64_t>(load.stride, 1));
      load_count += vectors * parts;
      shuffles += kShuffleCost * vectors * (parts - 1);
    }
    const double busy = std::max(shuffles, (accumulators * operations_ + shuffles) / 2);
    // For the result before, where accumulators are few and the sum is so long that the core does
    // not get to the next tiles.
    const double instructions = accumulators * operations_ + load_count + shuffles;
    const double waiting = kIndependent / 2 * std::min(1.0, terms_ * instructions / kUnderWay);
    const double code = 1 + kCodeCost * accumulators * operations_;
    return code *
           (std::max({busy, load_count / 2, waiting}) + kLoadCost * load_count + kLoopOverhead);
  }

  /// Accumulators, the operands that are kept while the outermost axis of the tile goes round (the
  /// others stream past them, one at a time), and one register to spare, without which LLVM's
  /// allocator spills.
  bool fits(const std::vector<std::int64_t>& factors) const {
    const auto outermost =
        std::find_if(factors.begin(), factors.end(), [](auto f) { return f > 1; });
    std::int64_t used = 2;
    for (const TileLoad& load : loads_)
      if (outermost == factors.end() ||
          !load.varies[static_cast<std::size_t>(outermost - factors.begin())])
        used += distinct(load, factors);
    std::int64_t accumulators = 1;
    for (auto f : factors) accumulators *= f;
    return used + accumulators <= target_.registers;
  }

  /// Cycles for the whole nest: every combination of main tile and remainder, axis by axis.
  double total_cycles(const std::vector<std::int64_t>& factors) const {
    std::vector<std::int64_t> part(factors.size());
    return sum(factors, part, 0, 1);
  }

 private:
  static constexpr double kLoopOverhead = 0.25;
  static constexpr double kShuffleCost = 2;  // of two vectors into one: two instructions, or parts
  static constexpr double kLoadCost =
      0.05;  // also where the units for sums are the limit: caches are slower than registers
  static constexpr double kCodeCost = 0.001;    // an instruction more costs cache and compile time
  static constexpr double kCodePenalty = 1.01;  // a remainder costs code and compile time too

  /// Different elements (or vectors) of an operand that a tile loads.
  static std::int64_t distinct(const TileLoad& load, const std::vector<std::int64_t>& factors) {
    std::int64_t count = 1;
    for (std::size_t a = 0; a < factors.size(); ++a)
      if (load.varies[a]) count *= factors[a];
    return count;
  }

  double sum(const std::vector<std::int64_t>& factors, std::vector<std::int64_t>& part,
             std::size_t axis, double times) const {
    if (axis == factors.size()) return times * tile_cycles(part);
    const TileAxis& a = axes_[axis];
    const std::int64_t length = steps(a, lanes_);
    part[axis] = factors[axis];
    double total =
        sum(factors, part, axis + 1, times * static_cast<double>(length / factors[axis]));
    if (const std::int64_t rest = length % factors[axis]; rest != 0) {
      part[axis] = a.dynamic ? 1 : rest;
      total += kCodePenalty *
               sum(factors, part, axis + 1, times * static_cast<double>(a.dynamic ? rest : 1));
      part[axis] = factors[axis];
    }
    return total;
  }

  const std::vector<TileAxis>& axes_;
  const std::vector<TileLoad>& loads_;
  double operations_, terms_;
  std::int64_t lanes_;
  const Target& target_;
};

}  // namespace

Tile choose_tile(const std::vector<TileAxis>& axes, const std::vector<TileLoad>& loads,
                 std::int64_t operations, double terms, std::int64_t lanes, const Target& target,
                 const std::vector<std::int64_t>& given) {
  const Model model(axes, loads, operations, terms, lanes, target);
  if (!given.empty()) {
    Tile tile = given_tile(axes, lanes, given);
    tile.cycles = model.total_cycles(tile.factors);
    return tile;
  }
  std::vector<std::int64_t> best(axes.size(), 1), factors(axes.size(), 1);
  double least = std::numeric_limits<double>::infinity();
  // Axes outside the three innermost ones and the vector stay whole: larger blocks of them reuse
  // nothing that these do not.
  const std::size_t first = axes.size() > 4 ? axes.size() - 4 : 0;
  const std::function<void(std::size_t)> search = [&](std::size_t axis) {
    if (!model.fits(factors)) return;
    if (axis == axes.size()) {
      const double cycles = model.total_cycles(factors);
      if (cycles < least) {
        least = cycles;
        best = factors;
      }
      return;
    }
    const TileAxis& a = axes[axis];
    const std::int64_t length = steps(a, lanes);
    for (std::int64_t f = 1; f <= std::min(length, target.registers); ++f) {
      if (a.dynamic && length % f != 0) continue;
      factors[axis] = f;
      search(axis + 1);
    }
    factors[axis] = 1;
  };
  search(first);
  return {best, least};
}

}  // namespace cnnc
