// unroll_and_jam:
//   for k in 0 .. 3 { for x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x + k,l] * w[k,l] } } }
//     ->
//   unroll x in 0 .. 6 { unroll k in 0 .. 3 { vector l in 0 .. 8 { ... } } }
// and
//   for x in 0 .. 28 { for k in 0 .. 3 { vector l in 0 .. 8 { sum[k,l] += a[x + k,l] * w[x,l] } } }
//     ->
//   for x.t in 0 .. 7 { unroll x in 0 .. 4 { unroll k in 0 .. 3 { vector l in 0 .. 8 { ... } } } }
#include "passes/registers/unroll_and_jam.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <set>

#include "passes/analysis/footprint.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// The most copies of a statement that a loop which goes inside of a tile may bring the total to.
constexpr std::int64_t kMaxCopiesInside = 192;
/// The most iterations of such a loop.
constexpr std::int64_t kMostTaps = 8;
/// Iterations of a longer one that go inside together: the first of these that fits.
constexpr std::array<std::int64_t, 2> kIterationsInside{4, 2};

class Mover {
 public:
  Mover(const Program& program, const Target& target)
      : program_(program),
        operands_in_memory_(target.vector_bytes > 16),
        registers_(target.registers) {}

  void run(Block& block) const {
    for (std::size_t i = 0; i < block.size(); ++i) move_inside(block, i);
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) run(loop->body);
  }

 private:
  /// A loop around those of a tile that only accumulate vectors in registers, where its iterations
  /// load what their neighbours along another of them load.
  struct AroundTile {
    std::vector<For> loops;  // itself first, the vector last
    Block body;
    std::size_t shared = 0;  // the last loop along which they do
    std::int64_t copies = 1;
  };

  std::optional<AroundTile> around_tile(const For& loop) const {
    if (!operands_in_memory_ || loop.kind != LoopKind::serial || !extent(loop)) return std::nullopt;
    Nest tile = nest_of(Stmt{loop});
    const auto* sum = tile.body.size() == 1 ? tile.body.front().as<Accumulate>() : nullptr;
    if (!sum || tile.loops.size() < 3 || !is_vector(tile.loops.back()) ||
        program_.buffer(sum->buffer).memory != Memory::reg ||
        std::ranges::any_of(sum->index, [&](const Expr& e) { return depends_on(e, loop.var); }) ||
        !loads_vectors(sum->value, tile.loops.back().var))
      return std::nullopt;
    const Store element{sum->buffer, sum->index, {}};
    AroundTile result;
    for (std::size_t i = 1; i < tile.loops.size(); ++i) {
      const For& each = tile.loops[i];
      if (!extent(each) || !each.begin.constant() || !separates(element, each, tile.loops))
        return std::nullopt;
      if (i + 1 == tile.loops.size()) break;
      result.copies = saturating_product(result.copies, *extent(each));
      if (load_the_same(sum->value, loop, each)) result.shared = i;
    }
    if (result.shared == 0) return std::nullopt;
    result.loops = std::move(tile.loops);
    result.body = std::move(tile.body);
    return result;
  }

  /// Puts the loop `block[at]`, or some of its iterations at a time, inside of the tiles that its
  /// body consists of.
  void move_inside(Block& block, std::size_t at) const {
    const auto* loop = block[at].as<For>();
    if (!loop || !extent(*loop)) return;
    std::vector<AroundTile> tiles;
    std::set<BufferId> sums;
    std::int64_t copies = 0, taps = 0;
    for (const Stmt& stmt : loop->body) {
      auto tile = around_tile(with_body(*loop, {stmt}));
      if (!tile) return;
      copies += std::min(tile->copies, kMaxCopiesInside + 1);
      const BufferId sum = program_.storage(tile->body.front().as<Accumulate>()->buffer);
      if (copies > kMaxCopiesInside || !sums.insert(sum).second) return;
      taps = std::max(taps, *extent(tile->loops[tile->shared]));
      tiles.push_back(std::move(*tile));
    }
    if (tiles.empty() || loads_from(program_, {block[at]}, sums)) return;
    const std::int64_t trips = *extent(*loop);
    if (trips <= kMostTaps && copies * trips <= kMaxCopiesInside) {
      Block all;
      for (AroundTile& tile : tiles) {
        std::swap(tile.loops.front(), tile.loops[tile.shared]);
        all.push_back(together(std::move(tile)));
      }
      replace(block, at, std::move(all));
      return;
    }
    // Sums, what the iterations do not share, and what one of them loads along the shared loop.
    const auto fits = std::ranges::find_if(
        kIterationsInside, [&](std::int64_t count) { return copies + count + taps <= registers_; });
    if (fits == kIterationsInside.end() || trips < 2 * *fits) return;
    const Var t = make_var(loop->var->name + ".t");
    const std::int64_t done = trips / *fits * *fits;
    For outer{t, 0, trips / *fits, LoopKind::serial, {}};
    Block rest;
    for (AroundTile& tile : tiles) {
      For& each = tile.loops.front();
      const Expr begin = each.begin;
      each.begin = begin + done;
      if (done < trips) rest.push_back(wrap_in_fresh(tile.loops, tile.body).front());
      const Var var = make_var(each.var->name);
      tile.body = substitute(tile.body, {{each.var, begin + Expr(t) * *fits + Expr(var)}});
      each = {var, 0, *fits, LoopKind::serial, {}};
      outer.body.push_back(together(std::move(tile)));
    }
    rest.insert(rest.begin(), Stmt{std::move(outer)});
    replace(block, at, std::move(rest));
  }

  static void replace(Block& block, std::size_t at, Block by) {
    const auto place = block.erase(block.begin() + static_cast<std::ptrdiff_t>(at));
    block.insert(place, std::move_iterator(by.begin()), std::move_iterator(by.end()));
  }

  /// A vector loop, or the loop over what is left of one lane.
  static bool is_vector(const For& loop) {
    return loop.kind == LoopKind::vector || extent(loop) == 1;
  }

  bool loads_vectors(const Expr& value, const Var& lane) const {
    bool result = true;
    walk(value, [&](const Expr& e) {
      if (const auto* l = e.as<Load>())
        result &= memory_stride(program_, l->buffer, l->index, lane) == 1;
    });
    return result;
  }

  /// Elements from one value of `var` to the next, either way; 0 where that is not constant, or
  /// more than any short loop meets again.
  static std::int64_t step_in(const Expr& index, const Var& var) {
    constexpr std::int64_t kFarthest = 1 << 20;
    const std::int64_t stride = stride_in(index, var).value_or(0);
    return -kFarthest <= stride && stride <= kFarthest ? std::abs(stride) : 0;
  }

  /// Whether iterations of `a` load elements that their neighbours along `b` load, too.
  static bool load_the_same(const Expr& value, const For& a, const For& b) {
    bool result = false;
    walk(value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (!l) return;
      for (const Expr& index : l->index) {
        const std::int64_t along_a = step_in(index, a.var), along_b = step_in(index, b.var);
        if (along_a == 0 || along_b == 0) continue;
        const std::int64_t apart = std::lcm(along_a, along_b);
        result |= apart / along_a < *extent(a) && apart / along_b < *extent(b);
      }
    });
    return result;
  }

  /// The first loop and the shared one, in this order, inside of all others but the vector.
  static Stmt together(AroundTile tile) {
    const auto first = tile.loops.begin(), vector = tile.loops.end() - 1;
    std::rotate(first + static_cast<std::ptrdiff_t>(tile.shared),
                first + static_cast<std::ptrdiff_t>(tile.shared) + 1, vector);
    std::rotate(first, first + 1, vector - 1);
    for (auto each = first; each != vector; ++each) each->kind = LoopKind::unroll;
    return wrap(tile.loops, std::move(tile.body)).front();
  }

  const Program& program_;
  const bool operands_in_memory_;
  const std::int64_t registers_;
};

}  // namespace

Program unroll_and_jam(const Program& program, const PassContext& context) {
  Program result = program;
  const Mover mover(program, context.target);
  for (Kernel& kernel : result.kernels) mover.run(kernel.body);
  return result;
}

}  // namespace cnnc
