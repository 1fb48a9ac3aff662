// partition_padding:
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
#include "passes/locality/partition_padding.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "passes/analysis/footprint.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/cost/choose_tiling.h"
#include "passes/locality/read_interior.h"

namespace cnnc {

namespace {

/// The fill must take more than this share of the time, or what is gained is not worth the code.
constexpr double kWorthIt = 0.05;
/// Cycles for a vector that is loaded and stored.
constexpr double kFillCycles = 2;
/// Images of fewer channels are laid out otherwise (choose_layout.h).
constexpr std::int64_t kFewestChannels = 4;

bool contains(const Box& a, const Box& b) {
  return std::ranges::equal(a, b, [](const IntegerRange& outer, const IntegerRange& inner) {
    return outer.low <= inner.low && inner.high <= outer.high;
  });
}

/// Statements, each of which may become several: so that none moves when another one does.
class Statements {
 public:
  Statements(const Program& program, Block block) : program_(program) {
    for (Stmt& stmt : block) parts_.push_back({std::move(stmt)});
  }

  std::size_t size() const { return parts_.size(); }
  const Block& operator[](std::size_t i) const { return parts_[i]; }
  Block& operator[](std::size_t i) { return parts_[i]; }

  /// Those after `i` that touch `buffer`, by that name.
  std::vector<std::size_t> users_after(std::size_t i, BufferId buffer) {
    look();
    const std::set<std::size_t>& all = users_[buffer];
    return {all.upper_bound(i), all.end()};
  }
  bool is_written_after(std::size_t i, BufferId storage) {
    look();
    return writers_[storage].upper_bound(i) != writers_[storage].end();
  }
  void replace(std::size_t i, Block pieces) {
    parts_[i] = std::move(pieces);
    add(i);
  }

  Block joined() && {
    Block result;
    for (Block& part : parts_) std::ranges::move(part, std::back_inserter(result));
    return result;
  }

 private:
  void look() {
    if (!users_.empty()) return;
    for (std::size_t i = 0; i < parts_.size(); ++i) add(i);
  }

  void add(std::size_t i) {
    for (const BufferAccess& access : accesses(parts_[i])) {
      users_[access.buffer].insert(i);
      if (access.write) writers_[program_.storage(access.buffer)].insert(i);
    }
  }

  const Program& program_;
  std::vector<Block> parts_;
  std::map<BufferId, std::set<std::size_t>> users_, writers_;  // found when first asked for
};

/// What reads a padded image, in pieces of which some read the image instead.
struct Readers {
  std::vector<Block> pieces;  // one a block of readers
  std::vector<Box> boxes;     // that they read of the padded image
  double fill_cycles = 0;     // for these
};

class Bypass {
 public:
  Bypass(const Program& program, const PassContext& context)
      : program_(program), context_(context) {
    for (const Kernel& kernel : program.kernels)
      for (const BufferAccess& access : accesses(kernel.body)) ++accesses_[access.buffer];
  }

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) visit(kernel.body);
    return result;
  }

 private:
  void visit(Block& block) const {
    Statements all(program_, std::move(block));
    for (std::size_t i = 0, piece = 0; i < all.size();) {
      if (piece >= all[i].size()) {
        piece -= all[i].size();
        ++i;
        continue;
      }
      if (auto* loop = all[i][piece].as<For>()) visit(loop->body);
      const auto padding = find_padding(program_, all[i][piece]);
      if (padding && program_.buffer(padding->buffer).type.dims.back() >= kFewestChannels)
        bypass(all, i, piece, *padding);
      ++piece;
    }
    block = std::move(all).joined();
  }

  /// Has less filled by the padding, piece `piece` of statement `at`, and less read from it, where
  /// that pays.
  void bypass(Statements& all, std::size_t at, std::size_t piece, const Padding& padding) const {
    const auto here = all[at].begin() + static_cast<std::ptrdiff_t>(piece);
    std::vector<Block> rest{Block(here + 1, all[at].end())};  // what reads it
    const auto users = all.users_after(at, padding.buffer);
    for (const std::size_t user : users) rest.push_back(all[user]);
    std::size_t count = 1;
    for (const Block& block : rest) count += count_accesses(block, padding.buffer);
    if (count != accesses_.at(padding.buffer)) return;
    const auto written = footprint(program_, rest.front()).writes;
    for (const BufferId id : {padding.image, padding.buffer})
      if (written.contains(id) || all.is_written_after(at, id)) return;
    const auto readers = fewer_filled(rest, padding);
    if (!readers) return;
    Block filling(all[at].begin(), here);
    for (const Box& box : readers->boxes) filling.push_back(filled(box, padding));
    std::ranges::copy(readers->pieces.front(), std::back_inserter(filling));
    all.replace(at, std::move(filling));
    for (std::size_t i = 0; i < users.size(); ++i) all.replace(users[i], readers->pieces[i + 1]);
  }

  std::optional<Readers> fewer_filled(const std::vector<Block>& rest,
                                      const Padding& padding) const {
    double cycles = fill_cycles(whole_box(padding), padding);
    const double whole = cycles;
    for (const Block& block : rest)
      for (const Stmt& stmt : block) {
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
    return readers;
  }

  std::optional<Readers> split(const std::vector<Block>& blocks, const Padding& padding,
                               bool within_bands) const {
    Readers result;
    for (const Block& block : blocks) {
      result.pieces.emplace_back();
      for (const Stmt& stmt : block) {
        if (count_accesses({stmt}, padding.buffer) == 0) {
          result.pieces.back().push_back(stmt);
          continue;
        }
        auto pieces = read_interior(program_, padding, stmt, within_bands);
        if (!pieces) return std::nullopt;
        std::ranges::move(*pieces, std::back_inserter(result.pieces.back()));
      }
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
  std::optional<std::vector<Box>> boxes_of(const std::vector<Block>& readers,
                                           const Padding& padding) const {
    std::vector<Box> boxes;
    for (const Block& block : readers)
      for (const Stmt& stmt : block)
        if (!add_boxes(stmt, padding, boxes)) return std::nullopt;
    return boxes;
  }

  /// Adds what `stmt` reads; false where that is not known.
  bool add_boxes(const Stmt& stmt, const Padding& padding, std::vector<Box>& boxes) const {
    const Box whole = whole_box(padding);
    const RangeContext ranges = constant_ranges(program_, {stmt});
    for (const BufferAccess& access : accesses({stmt})) {
      if (access.buffer != padding.buffer) continue;
      auto box = box_of(access.index, ranges);
      if (!box) return false;
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
    return true;
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
  std::map<BufferId, std::size_t> accesses_;  // to each buffer, by that name
};

}  // namespace

Program partition_padding(const Program& program, const PassContext& context) {
  return Bypass(program, context).run();
}

}  // namespace cnnc
