// bypass_padding:
//   for x in 0 .. 30 { padded[x] = select(1 <= x & x < 29, image[...], 0) }
//   for x in 0 .. 28 { sum ... padded[x + kx] ... }                             (kx in 0 .. 3)
//     ->
//   for x in 0 .. 3   { padded[x] = select(...) }
//   for x in 27 .. 30 { padded[x] = select(...) }
//   for x in 0 .. 1   { sum ... padded[x + kx] ... }
//   for x in 1 .. 27  { sum ... image[x + kx - 1] ... }
//   for x in 27 .. 28 { sum ... padded[x + kx] ... }
// The same, row by row and column by column, where x is a loop that sums go over.
// Dimension by dimension (read_interior.h); bands of rows as a whole or row by row.
#include "passes/bypass_padding.h"

#include <algorithm>
#include <optional>

#include "passes/choose_tiling.h"
#include "passes/footprint.h"
#include "passes/read_interior.h"
#include "passes/reduction_nest.h"

namespace cnnc {

namespace {

/// The fill must take more than this share of the time, or what is gained is not worth the code.
constexpr double kWorthIt = 0.05;
/// Cycles for a vector that is loaded and stored.
constexpr double kFillCycles = 2;
/// Images of fewer channels are laid out otherwise (lay_out.h).
constexpr std::int64_t kFewestChannels = 4;

bool contains(const Box& a, const Box& b) {
  return std::ranges::equal(a, b, [](const IntegerRange& outer, const IntegerRange& inner) {
    return outer.low <= inner.low && inner.high <= outer.high;
  });
}

/// What reads a padded image, in pieces of which some read the image instead.
struct Readers {
  Block pieces;
  std::vector<Box> boxes;  // that they read of the padded image
  double fill_cycles = 0;  // for these
};

class Bypass {
 public:
  Bypass(const Program& program, const PassContext& context)
      : program_(program), context_(context) {}

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) visit(kernel.body);
    return result;
  }

 private:
  void visit(Block& block) const {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (auto* loop = block[i].as<For>()) visit(loop->body);
      const auto padding = find_padding(program_, block[i]);
      if (padding && program_.buffer(padding->buffer).type.dims.back() >= kFewestChannels)
        if (auto pieces = bypassed(block, i, *padding)) block = std::move(*pieces);
    }
  }

  /// `block` with less filled by the padding at `at`, and less read from it.
  std::optional<Block> bypassed(const Block& block, std::size_t at, const Padding& padding) const {
    const Block rest(block.begin() + static_cast<std::ptrdiff_t>(at) + 1, block.end());
    if (count_accesses(rest, padding.buffer) + 1 != count_accesses(program_, padding.buffer))
      return std::nullopt;
    const auto written = footprint(program_, rest).writes;
    if (written.contains(padding.image) || written.contains(padding.buffer)) return std::nullopt;
    double cycles = fill_cycles(whole_box(padding), padding);
    const double whole = cycles;
    for (const Stmt& stmt : rest) {
      if (count_accesses({stmt}, padding.buffer) == 0) continue;
      const auto more = cycles_of(stmt, padding);
      if (!more) return std::nullopt;
      cycles += *more;
    }
    const auto less = [&](const std::optional<Readers>& readers, double fill) {
      return readers && fill - readers->fill_cycles >= kWorthIt * cycles;
    };
    auto readers = split(rest, padding, false);
    if (!less(readers, whole)) readers.reset();
    auto by_rows = split(rest, padding, true);
    if (less(by_rows, readers ? readers->fill_cycles : whole)) readers = std::move(by_rows);
    if (!readers) return std::nullopt;
    Block result(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(at));
    for (const Box& box : readers->boxes) result.push_back(filled(box, padding));
    std::ranges::move(readers->pieces, std::back_inserter(result));
    return result;
  }

  std::optional<Readers> split(const Block& block, const Padding& padding,
                               bool within_bands) const {
    Readers result;
    for (const Stmt& stmt : block) {
      if (count_accesses({stmt}, padding.buffer) == 0) {
        result.pieces.push_back(stmt);
        continue;
      }
      auto pieces = read_interior(program_, padding, stmt, within_bands);
      if (!pieces) return std::nullopt;
      std::ranges::move(*pieces, std::back_inserter(result.pieces));
    }
    auto boxes = boxes_of(result.pieces, padding);
    if (!boxes) return std::nullopt;
    for (const Box& box : *boxes) result.fill_cycles += fill_cycles(box, padding);
    result.boxes = std::move(*boxes);
    return result;
  }

  /// Cycles of the sums in `stmt`; nothing where one that reads the padded image does not take its
  /// channels for lanes, or what reads it is no sum.
  std::optional<double> cycles_of(const Stmt& stmt, const Padding& padding) const {
    if (const auto nest = reduction_nest(program_, stmt)) {
      const Tiling tiling = choose_tiling(program_, *nest, context_);
      if (tiling.vector < 0) return std::nullopt;
      const Var& lane = nest->axes[static_cast<std::size_t>(tiling.vector)].var;
      for (const BufferAccess& access : accesses({stmt}))
        if (access.buffer == padding.buffer && stride_in(access.index.back(), lane) != 1)
          return std::nullopt;
      return tiling.cycles;
    }
    const auto* loop = stmt.as<For>();
    if (!loop || !is_plain(*loop))
      return count_accesses({stmt}, padding.buffer) == 0 ? std::optional(0.0) : std::nullopt;
    double cycles = 0;
    for (const Stmt& inner : loop->body) {
      const auto more = cycles_of(inner, padding);
      if (!more) return std::nullopt;
      cycles += *more;
    }
    return cycles * static_cast<double>(*extent(*loop));
  }

  double fill_cycles(const Box& box, const Padding& padding) const {
    const auto lanes = std::min(context_.target.lanes(program_.buffer(padding.buffer).type.scalar),
                                program_.buffer(padding.buffer).type.dims.back());
    return kFillCycles * volume(box) / static_cast<double>(lanes);
  }

  Box whole_box(const Padding& padding) const {
    Box box;
    for (std::size_t d = 0; d < padding.loops.size(); ++d) {
      const std::size_t at = padding.loops[d];
      if (at == padding.nest.loops.size()) {
        const std::int64_t constant = *padding.store.index[d].constant();
        box.push_back({constant, constant});
        continue;
      }
      const For& loop = padding.nest.loops[at];
      box.push_back({*loop.begin.constant(), *loop.begin.constant() + *extent(loop) - 1});
    }
    return box;
  }

  /// What `readers` read of the padded image.
  std::optional<std::vector<Box>> boxes_of(const Block& readers, const Padding& padding) const {
    const Box whole = whole_box(padding);
    std::vector<Box> boxes;
    for (const Stmt& stmt : readers) {
      const RangeContext ranges = constant_ranges(program_, {stmt});
      for (const BufferAccess& access : accesses({stmt})) {
        if (access.buffer != padding.buffer) continue;
        auto box = box_of(access.index, ranges);
        if (!box) return std::nullopt;
        for (std::size_t d = 0; d < whole.size(); ++d)  // ranges may be wider than what is read
          (*box)[d] = {std::max((*box)[d].low, whole[d].low),
                       std::min((*box)[d].high, whole[d].high)};
        if (std::ranges::any_of(*box, [](const auto& range) { return range.high < range.low; }))
          continue;
        const auto holds = [&](const Box& other) { return contains(other, *box); };
        if (std::ranges::any_of(boxes, holds)) continue;
        std::erase_if(boxes, [&](const Box& other) { return contains(*box, other); });
        boxes.push_back(std::move(*box));
      }
    }
    return boxes;
  }

  static Stmt filled(const Box& box, const Padding& padding) {
    std::vector<For> loops = padding.nest.loops;
    for (std::size_t d = 0; d < box.size(); ++d) {
      if (padding.loops[d] == loops.size()) continue;
      For& loop = loops[padding.loops[d]];
      loop.begin = box[d].low, loop.end = box[d].high + 1;
    }
    return wrap_in_fresh(loops, padding.nest.body).front();
  }

  const Program& program_;
  const PassContext& context_;
};

}  // namespace

Program bypass_padding(const Program& program, const PassContext& context) {
  return Bypass(program, context).run();
}

}  // namespace cnnc
