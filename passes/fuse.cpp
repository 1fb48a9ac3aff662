// fuse:
//   kernel relu  { for n, i { r[n,i] = max(x[n,i], 0) } }    kernel scale..sum { for n {
//   kernel scale { for n, i { s[n,i] = r[n,i] * 2 } }   ->   for i { s[n,i] = max(x[n,i], 0) * 2 }
//   kernel sum   { for n { t[n] = sum of s[n,i] } }            t[n] = sum of s[n,i] } }
// The buffer r goes with its kernel. Before that, sums over a pooled gradient go to its arg-max
// (route_gradients.cpp), which alone does not keep every bit; after it, what reads sums moves to
// where they end (fuse_epilogues.cpp), and a convolution and its pool go row by row
// (fuse_rows.cpp).
#include "passes/fuse.h"

#include "passes/drop_unused_buffers.h"
#include "passes/fuse_epilogues.h"
#include "passes/fuse_rows.h"
#include "passes/inline_elementwise.h"
#include "passes/merge_kernels.h"
#include "passes/route_gradients.h"

namespace cnnc {

Program fuse(const Program& program, const Target&) {
  return drop_unused_buffers(
      fuse_rows(fuse_epilogues(merge_kernels(inline_elementwise(route_gradients(program))))));
}

}  // namespace cnnc
