#include "passes/pipeline.h"

#include <algorithm>
#include <array>

#include "passes/apply_optimizer.h"
#include "passes/band_sums.h"
#include "passes/bypass_padding.h"
#include "passes/contract.h"
#include "passes/differentiate.h"
#include "passes/expand_math.h"
#include "passes/fold_scales.h"
#include "passes/forward_copies.h"
#include "passes/fuse_epilogues.h"
#include "passes/fuse_rows.h"
#include "passes/hoist.h"
#include "passes/inline_elementwise.h"
#include "passes/interleave_stores.h"
#include "passes/join_copies.h"
#include "passes/lay_out.h"
#include "passes/localize.h"
#include "passes/lower.h"
#include "passes/merge_kernels.h"
#include "passes/merge_rows.h"
#include "passes/merge_small_sums.h"
#include "passes/merge_taps.h"
#include "passes/move_inside_tiles.h"
#include "passes/pack.h"
#include "passes/parallelize.h"
#include "passes/plan_memory.h"
#include "passes/recompute.h"
#include "passes/route_gradients.h"
#include "passes/share_rows.h"
#include "passes/simplify.h"
#include "passes/slide_rows.h"
#include "passes/split_borders.h"
#include "passes/tile.h"
#include "passes/unroll.h"
#include "passes/vectorize.h"
#include "passes/widen_rows.h"
#include "passes/write_borders_once.h"

namespace cnnc {

// Why in this order:
//
// algebra    On whole tensors, where a rule is one line. What simplify removes is not
//            differentiated; fold_scales sees inference alone; the second simplify cleans up what
//            differentiation and the optimizer's formulas repeat.
// fuse       Before anything has a layout: kernels are still plain nests over whole tensors.
//            Gradients are routed ahead of inlining, which would hide a pool's gradient in its
//            readers; epilogues and rows need the kernels that merging makes.
// memory     Decides what is kept from kernel to kernel, which fusion has to have settled, and what
//            of it is a worker's own, which the layout passes ask.
// layout     Chooses the form of images and the order of long sums while a sum is still one nest
//            with one accumulator: the tile model is asked for each choice.
// blocking   Register tiles, then what depends on them: the rows that a tile reads are made just
//            ahead of it, weights are copied into the order in which tiles read them.
// borders    Tiles do not test for a border, what fills images does: its loops are split now, when
//            no pass looks for their old form any more.
// vectors    Innermost loops become vectors; before that, rows that lie between each other in
//            memory are stored and loaded together.
// registers  Copies of tiles: which loops are copied, and in which order the copies stand.
// finish     What changes no loop's form: threads, once-only kernels, expansion of functions,
//            multiply-adds, places in memory.
std::span<const Pass> passes() {
  using enum Preserves;
  static constexpr auto kPasses = std::to_array<Pass>({
      {"simplify", "algebra", "rewrite by a table of rules, drop what nothing uses", simplify,
       bound},
      {"fold_scales", "algebra",
       "in inference, move factors per channel into the weights before them", fold_scales, bound},
      {"differentiate", "algebra",
       "add the gradient of the loss with respect to every parameter", differentiate_graph, bits,
       true},
      {"apply_optimizer", "algebra", "add each parameter's and optimizer state's new value",
       apply_optimizer, bits, true},
      {"simplify", "algebra", "simplify the training step", simplify, bound},

      {"lower", "lowering",
       "make a kernel of every stage of every op, and fix the order of every sum", lower, bound,
       true},

      {"route_gradients", "fuse",
       "let sums over a pooled gradient go to its arg-maxes, leaving out its zeros",
       route_gradients, bound},
      {"inline_elementwise", "fuse", "move elementwise kernels into their consumers",
       inline_elementwise},
      {"merge_kernels", "fuse", "give kernels over the same samples one loop", merge_kernels},
      {"fuse_epilogues", "fuse", "move what reads a sum to where the sum ends", fuse_epilogues},
      {"fuse_rows", "fuse", "make an image row by row just ahead of what reads it", fuse_rows},

      {"recompute", "memory",
       "compute again in the backward pass what is cheaper made than kept", recompute},
      {"localize", "memory", "keep what lives within a group of samples in a worker's scratch",
       localize},

      {"band_sums", "layout", "add up gradients over large images a few rows at a time", band_sums,
       bound},
      {"bypass_padding", "layout",
       "let short sums read an image itself where no padding is in reach", bypass_padding},
      {"merge_small_sums", "layout",
       "let the phases of an image that is quickly made go through it together",
       merge_small_sums},
      {"lay_out", "layout", "lay images out so that the lanes of narrow results load neighbours",
       lay_out},
      {"merge_taps", "layout", "make one axis of two that are each too short for a vector",
       merge_taps},
      {"widen_rows", "layout", "give whole vectors to rows that vectors slide along", widen_rows},

      {"tile", "blocking", "compute blocks of results at once, their sums in registers", tile},
      {"forward_copies", "blocking", "store at once where results are only copied to later",
       forward_copies},
      {"merge_rows", "blocking", "let nests that fill parts of an image go through it together",
       merge_rows},
      {"slide_rows", "blocking",
       "fill an image's parts together, row by row, just ahead of what reads it", slide_rows},
      {"pack", "blocking", "copy weights into the order in which tiles read them", pack},

      {"split_borders", "borders",
       "give the border and the interior of an image loops of their own", split_borders},
      {"write_borders_once", "borders", "write borders of zeros once for a group of samples",
       write_borders_once},

      {"interleave_stores", "vectors",
       "store rows of registers that lie between each other in memory as whole vectors",
       interleave_stores},
      {"share_rows", "vectors", "load rows once that several copies take apart", share_rows},
      {"vectorize", "vectors", "make vector loops of independent innermost loops", vectorize},

      {"move_inside_tiles", "registers",
       "move loops inside tiles whose iterations then share what they load", move_inside_tiles},
      {"unroll", "registers", "unroll loops over register tiles", unroll},
      {"join_copies", "registers", "let copies that load the same elements take turns",
       join_copies},

      {"parallelize", "finish", "run independent outermost loops on all threads", parallelize},
      {"hoist", "finish", "run what depends on weights alone once, not in every call", hoist},
      {"expand_math", "finish", "replace exp, log and tanh by arithmetic", expand_math, bound,
       true},
      {"contract_fma", "finish", "join multiplications and additions where the target can",
       contract_fma, bound},
      {"plan_memory", "finish", "give every buffer its place in memory", plan_memory, bits, true},
  });
  return kPasses;
}

namespace {

/// The first row of a level at or behind GraphPass, LoweringPass, LoopPass.
template <class Level>
std::size_t first_of() {
  const auto all = passes();
  const auto found = std::ranges::find_if(
      all, [](const Pass& pass) { return std::holds_alternative<Level>(pass.run); });
  return static_cast<std::size_t>(found - all.begin());
}

}  // namespace

std::span<const Pass> graph_passes() { return passes().first(first_of<LoweringPass>()); }

std::span<const Pass> loop_passes() { return passes().subspan(first_of<LoopPass>()); }

Graph run_pass(const Pass& pass, const Graph& graph, const PassContext& context) {
  return std::get<GraphPass>(pass.run)(graph, context);
}

Program run_pass(const Pass& pass, const Program& program, const PassContext& context) {
  return std::get<LoopPass>(pass.run)(program, context);
}

}  // namespace cnnc
