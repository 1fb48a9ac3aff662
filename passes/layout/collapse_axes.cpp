// collapse_axes:
//   for kx in 0 .. 3 { for ci in 0 .. 3 { for co in 0 .. 3 {
//     alloc sum; sum[] = 0; for x { sum[] += image[x*2 + kx, ci] * gradient[x, co] }
//     dw[kx, ci, co] = sum[] } } }
//     ->
//   for kx.ci in 0 .. 9 { for co in 0 .. 3 {
//     alloc sum; sum[] = 0; for x { sum[] += image.rows[x*6 + kx.ci] * gradient[x, co] }
//     dw.rows[kx.ci, co] = sum[] } }
#include "passes/layout/collapse_axes.h"

#include <optional>

#include "passes/analysis/nest.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/cost/choose_tiling.h"
#include "passes/edit/collapse_loops.h"

namespace cnnc {

namespace {

/// Vectors along the merged axis must promise to take less than this share of the time without.
constexpr double kWorthIt = 0.85;

class TapMerger {
 public:
  TapMerger(const Program& program, const PassContext& context)
      : program_(program), context_(context) {}

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
    const std::int64_t lanes = context_.target.lanes(program_.buffer(nest.sum).type.scalar);
    if (nest.axes.size() < 2 || !innermost || *innermost >= lanes) return;
    const double before = choose_tiling(program_, nest, context_).cycles;
    for (std::size_t at = 0; at + 1 < nest.axes.size(); ++at) {
      const For &slow = nest.axes[at], &fast = nest.axes[at + 1];
      if (!is_plain(slow) || !is_plain(fast) || slow.begin.constant() != 0 ||
          fast.begin.constant() != 0)
        continue;
      const std::size_t buffers = program_.buffers.size();
      if (auto merged = merge(stmt, at)) {
        const auto sums = reduction_nest(program_, *merged);
        if (sums && choose_tiling(program_, *sums, context_).cycles <= kWorthIt * before) {
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
    const For &slow = nest.loops[at], &fast = nest.loops[at + 1];
    auto merged =
        collapse_loops(program_, slow, fast, slow.var->name + "." + fast.var->name, nest.body);
    if (!merged) return std::nullopt;
    nest.loops[at] = std::move(merged->loop);
    nest.loops.erase(nest.loops.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    return wrap(nest.loops, std::move(merged->body)).front();
  }

  Program program_;
  const PassContext& context_;
};

}  // namespace

Program collapse_axes(const Program& program, const PassContext& context) {
  return TapMerger(program, context).run();
}

}  // namespace cnnc
