#include "passes/table.h"

#include <array>

#include "passes/apply_optimizer.h"
#include "passes/band_sums.h"
#include "passes/contract.h"
#include "passes/differentiate.h"
#include "passes/expand_math.h"
#include "passes/fold_scales.h"
#include "passes/fuse.h"
#include "passes/hoist.h"
#include "passes/lay_out.h"
#include "passes/localize.h"
#include "passes/pack.h"
#include "passes/parallelize.h"
#include "passes/plan_memory.h"
#include "passes/recompute.h"
#include "passes/simplify.h"
#include "passes/slide_rows.h"
#include "passes/split_borders.h"
#include "passes/tile.h"
#include "passes/unroll.h"
#include "passes/vectorize.h"

namespace cnnc {

std::span<const PassRow<Graph>> graph_passes() {
  static constexpr auto kRows = std::to_array<PassRow<Graph>>({
      {"simplify", "rewrite by a table of rules, drop what nothing uses", simplify, false,
       Preserves::bound},
      {"fold_scales", "in inference, move factors per channel into the weights before them",
       fold_scales, false, Preserves::bound},
      {"differentiate", "add the gradient of the loss with respect to every parameter",
       differentiate_graph, true},
      {"apply_optimizer", "add each parameter's and optimizer state's new value", apply_optimizer,
       true},
      {"simplify_step", "simplify the training step", simplify, false, Preserves::bound},
  });
  return kRows;
}

std::span<const PassRow<Program>> loop_passes() {
  static constexpr auto kRows = std::to_array<PassRow<Program>>({
      {"fuse",
       "move elementwise kernels and the routing of pooled gradients into their consumers or to "
       "the end of the sums before them, join kernels over the same samples",
       fuse, false, Preserves::bound},
      {"recompute", "compute again in the backward pass what is cheaper made than kept", recompute},
      {"localize", "keep what lives within a group of samples in a worker's scratch", localize},
      {"band_sums", "add up gradients over large images a few rows at a time", band_sums, false,
       Preserves::bound},
      {"lay_out", "lay images out so that the lanes of narrow results load neighbours", lay_out},
      {"tile", "compute blocks of results at once, their sums in registers", tile},
      {"slide_rows", "fill an image's parts together, row by row, just ahead of what reads it",
       slide_rows},
      {"pack", "copy weights into the order in which tiles read them", pack},
      {"split_borders", "give the border and the interior of an image loops of their own",
       split_borders},
      {"vectorize", "make vector loops of independent innermost loops", vectorize},
      {"unroll", "unroll loops over register tiles", unroll},
      {"parallelize", "run independent outermost loops on all threads", parallelize},
      {"hoist", "run what depends on weights alone once, not in every call", hoist},
      {"expand_math", "replace exp, log and tanh by arithmetic", expand_math, true,
       Preserves::bound},
      {"contract_fma", "join multiplications and additions where the target can", contract_fma,
       false, Preserves::bound},
      {"plan_memory", "give every buffer its place in memory", plan_memory, true},
  });
  return kRows;
}

}  // namespace cnnc
