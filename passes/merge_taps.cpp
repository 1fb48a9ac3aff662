// merge_taps:
//   for kx in 0 .. 3 { for ci in 0 .. 3 { for co in 0 .. 3 {
//     alloc sum; sum[] = 0; for x { sum[] += image[x*2 + kx, ci] * gradient[x, co] }
//     dw[kx, ci, co] = sum[] } } }
//     ->
//   for kx.ci in 0 .. 9 { for co in 0 .. 3 {
//     alloc sum; sum[] = 0; for x { sum[] += image.rows[x*6 + kx.ci] * gradient[x, co] }
//     dw.rows[kx.ci, co] = sum[] } }
#include "passes/merge_taps.h"

#include <algorithm>

#include "passes/choose_tiling.h"
#include "passes/nest.h"
#include "passes/reduction_nest.h"

namespace cnnc {

namespace {

/// Vectors along the merged axis must promise to take less than this share of the time without.
constexpr double kWorthIt = 0.85;

/// Rewrites accesses along two axes, the second of which is the faster one in memory.
class AxisMerger {
 public:
  AxisMerger(Program& program, const For& slow, const For& fast)
      : program_(program),
        slow_(slow.var),
        fast_(fast.var),
        width_(*extent(fast)),
        merged_{make_var(slow.var->name + "." + fast.var->name),
                0,
                *extent(slow) * width_,
                LoopKind::serial,
                {}} {}

  /// `body` with the loop over both axes for its own; nothing where some access does not step along
  /// them as if they were one.
  std::optional<Block> run(const Block& body) {
    if (!std::ranges::all_of(accesses(body), [&](const auto& a) { return merges(a); }))
      return std::nullopt;
    Block result = rewritten(body);
    bool left = false;
    walk_exprs(result, [&](const Expr& e) { left |= varies(e); });
    if (left) return std::nullopt;
    return result;
  }

  const For& loop() const { return merged_; }

 private:
  bool varies(const Expr& e) const { return depends_on(e, slow_) || depends_on(e, fast_); }

  /// The dimension that the slow axis steps along, before that of the fast one.
  std::optional<std::size_t> dimension(BufferId id, const std::vector<Expr>& index) const {
    const Dims& dims = program_.buffer(id).type.dims;
    for (std::size_t d = 0; d + 1 < index.size(); ++d)
      if (stride_in(index[d], slow_) == 1 && !depends_on(index[d], fast_) &&
          same(index[d + 1], Expr(fast_)) && dims[d + 1] == width_)
        return d;
    return std::nullopt;
  }

  bool merges(const BufferAccess& access) const {
    if (std::ranges::none_of(access.index, [&](const Expr& e) { return varies(e); })) return true;
    const Memory memory = program_.buffer(access.buffer).memory;
    const auto at = dimension(access.buffer, access.index);
    if (!at || memory == Memory::reg || memory == Memory::stack || memory == Memory::constant)
      return false;
    for (std::size_t d = 0; d < access.index.size(); ++d)
      if (d != *at && d != *at + 1 && varies(access.index[d])) return false;
    return true;
  }

  /// Buffer and index of an access, through a view in which both dimensions are one.
  void rewrite(BufferId& id, std::vector<Expr>& index) {
    if (std::ranges::none_of(index, [&](const Expr& e) { return varies(e); })) return;
    const std::size_t at = *dimension(id, index);
    index[at] = substitute(index[at], {{slow_, 0}}) * width_ + Expr(merged_.var);
    index.erase(index.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    id = merged_view(program_, id, at, at + 2);
  }

  Block rewritten(const Block& body) {
    Block result = map_exprs(body, [&](const Expr& top) {
      return transform(top, [&](const Expr& e) -> Expr {
        const auto* l = e.as<Load>();
        if (!l || std::ranges::none_of(l->index, [&](const Expr& i) { return varies(i); }))
          return {};
        BufferId id = l->buffer;
        std::vector<Expr> index = l->index;
        rewrite(id, index);
        return load(id, e.type(), index);
      });
    });
    for_each_assignment(result);
    return result;
  }

  void for_each_assignment(Block& block) {
    for (Stmt& stmt : block) {
      if (auto* loop = stmt.as<For>()) for_each_assignment(loop->body);
      if (auto* store = stmt.as<Store>()) rewrite(store->buffer, store->index);
      if (auto* add = stmt.as<Accumulate>()) rewrite(add->buffer, add->index);
    }
  }

  Program& program_;
  const Var slow_, fast_;
  const std::int64_t width_;
  const For merged_;
};

class TapMerger {
 public:
  TapMerger(const Program& program, const Target& target) : program_(program), target_(target) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) visit(kernel.body);
    return std::move(program_);
  }

 private:
  void visit(Block& block) {
    for (Stmt& stmt : block) {
      auto* loop = stmt.as<For>();
      if (!loop) continue;
      if (const auto nest = reduction_nest(program_, stmt))
        try_to_merge(stmt, *nest);
      else
        visit(loop->body);
    }
  }

  void try_to_merge(Stmt& stmt, const ReductionNest& nest) {
    const auto innermost = extent(nest.axes.back());
    const std::int64_t lanes = target_.lanes(program_.buffer(nest.sum).type.scalar);
    if (nest.axes.size() < 2 || !innermost || *innermost >= lanes) return;
    const double before = choose_tiling(program_, nest, target_).cycles;
    for (std::size_t at = 0; at + 1 < nest.axes.size(); ++at) {
      const For &slow = nest.axes[at], &fast = nest.axes[at + 1];
      if (!is_plain(slow) || !is_plain(fast) || slow.begin.constant() != 0 ||
          fast.begin.constant() != 0)
        continue;
      const std::size_t buffers = program_.buffers.size();
      if (auto merged = merge(stmt, at)) {
        const auto sums = reduction_nest(program_, *merged);
        if (sums && choose_tiling(program_, *sums, target_).cycles <= kWorthIt * before) {
          stmt = std::move(*merged);
          return;
        }
      }
      program_.buffers.resize(buffers);  // without the views
    }
  }

  /// The nest with its axes `at` and `at + 1` as one.
  std::optional<Stmt> merge(const Stmt& stmt, std::size_t at) {
    Nest nest = nest_of(stmt);
    AxisMerger merger(program_, nest.loops[at], nest.loops[at + 1]);
    const auto body = merger.run(nest.body);
    if (!body) return std::nullopt;
    nest.loops[at] = merger.loop();
    nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    return wrap(nest.loops, *body).front();
  }

  Program program_;
  const Target& target_;
};

}  // namespace

Program merge_taps(const Program& program, const Target& target) {
  return TapMerger(program, target).run();
}

}  // namespace cnnc
