#include "passes/pipeline/pipeline.h"

#include <algorithm>
#include <array>

#include "passes/finish/contract_fma.h"
#include "passes/finish/expand_math.h"
#include "passes/finish/parallelize.h"
#include "passes/finish/plan_memory.h"
#include "passes/finish/run_once.h"
#include "passes/fuse/fuse_at_rows.h"
#include "passes/fuse/fuse_epilogues.h"
#include "passes/fuse/fuse_kernels.h"
#include "passes/fuse/inline_elementwise.h"
#include "passes/fuse/privatize.h"
#include "passes/fuse/rematerialize.h"
#include "passes/fuse/route_gradients.h"
#include "passes/graph/apply_optimizer.h"
#include "passes/graph/differentiate.h"
#include "passes/graph/fold_batch_norm.h"
#include "passes/graph/simplify.h"
#include "passes/layout/choose_layout.h"
#include "passes/layout/collapse_axes.h"
#include "passes/layout/pack_operands.h"
#include "passes/layout/pad_rows.h"
#include "passes/locality/forward_stores.h"
#include "passes/locality/fuse_row_loops.h"
#include "passes/locality/fuse_small_sums.h"
#include "passes/locality/hoist_constant_stores.h"
#include "passes/locality/partition_loops.h"
#include "passes/locality/partition_padding.h"
#include "passes/locality/slide_window.h"
#include "passes/locality/strip_mine_sums.h"
#include "passes/lower/lower.h"
#include "passes/registers/deinterleave_loads.h"
#include "passes/registers/interleave_stores.h"
#include "passes/registers/jam_copies.h"
#include "passes/registers/register_tile.h"
#include "passes/registers/unroll.h"
#include "passes/registers/unroll_and_jam.h"
#include "passes/registers/vectorize.h"

namespace cnnc {

// Why in this order:
//
// algebra    On whole tensors, where a rule is one line. What simplify removes is not
//            differentiated; fold_batch_norm sees inference alone; the second simplify cleans up what
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
      {"fold_batch_norm", "algebra",
       "in inference, move factors per channel into the weights before them", fold_batch_norm,
       bound},
      {"differentiate", "algebra", "add the gradient of the loss with respect to every parameter",
       differentiate_graph, bits, true},
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
      {"fuse_kernels", "fuse", "give kernels over the same samples one loop", fuse_kernels},
      {"fuse_epilogues", "fuse", "move what reads a sum to where the sum ends", fuse_epilogues},
      {"fuse_at_rows", "fuse", "make an image row by row just ahead of what reads it",
       fuse_at_rows},

      {"rematerialize", "memory",
       "compute again in the backward pass what is cheaper made than kept", rematerialize},
      {"privatize", "memory", "keep what lives within a group of samples in a worker's scratch",
       privatize},

      {"strip_mine_sums", "layout", "add up gradients over large images a few rows at a time",
       strip_mine_sums, bound},
      {"partition_padding", "layout",
       "let short sums read an image itself where no padding is in reach", partition_padding},
      {"fuse_small_sums", "layout",
       "let the phases of an image that is quickly made go through it together", fuse_small_sums},
      {"choose_layout", "layout",
       "lay images out so that the lanes of narrow results load neighbours", choose_layout},
      {"collapse_axes", "layout", "make one axis of two that are each too short for a vector",
       collapse_axes},
      {"pad_rows", "layout", "give whole vectors to rows that vectors slide along", pad_rows},

      {"register_tile", "blocking", "compute blocks of results at once, their sums in registers",
       register_tile},
      {"forward_stores", "blocking", "store at once where results are only copied to later",
       forward_stores},
      {"fuse_row_loops", "blocking", "let nests that fill parts of an image go through it together",
       fuse_row_loops},
      {"slide_window", "blocking",
       "fill an image's parts together, row by row, just ahead of what reads it", slide_window},
      {"pack_operands", "blocking", "copy weights into the order in which tiles read them",
       pack_operands},

      {"partition_loops", "borders",
       "give the border and the interior of an image loops of their own", partition_loops},
      {"hoist_constant_stores", "borders", "write borders of zeros once for a group of samples",
       hoist_constant_stores},

      {"interleave_stores", "vectors",
       "store rows of registers that lie between each other in memory as whole vectors",
       interleave_stores},
      {"deinterleave_loads", "vectors", "load rows once that several copies take apart",
       deinterleave_loads},
      {"vectorize", "vectors", "make vector loops of independent innermost loops", vectorize},

      {"unroll_and_jam", "registers",
       "move loops inside tiles whose iterations then share what they load", unroll_and_jam},
      {"unroll", "registers", "unroll loops over register tiles", unroll},
      {"jam_copies", "registers", "let copies that load the same elements take turns", jam_copies},

      {"parallelize", "finish", "run independent outermost loops on all threads", parallelize},
      {"run_once", "finish", "run what depends on weights alone once, not in every call", run_once},
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
