// What kernels cost, read off their loops: arithmetic, bytes of memory, and cycles on a model core.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// A part of a kernel's work.
struct Work {
  double flops = 0;   // additions, multiplications, divisions, roots of floats; an fma is two
  double cycles = 0;  // on one core of the model
};

struct KernelCost {
  Work work;                           // of all cores together
  double elapsed_cycles = 0;           // from its start to its end, where operands are in L1
  double read_bytes = 0;               // of program memory (not of scratch), each byte once
  double written_bytes = 0;            // likewise
  std::map<BufferId, Work> by_result;  // all the work, by the memory that takes its results
  bool exact = true;                   // no loop's length depends on data

  double bytes() const { return read_bytes + written_bytes; }
};

/// The cost of `kernel` for a call with `count` rows on `threads` cores. The core is one that
/// starts two vector operations and two loads and one store a cycle, in whose loops these overlap,
/// and whose accumulations follow each other after four cycles. What an unrolled loop repeats
/// without change counts once, as common subexpressions do.
KernelCost cost_of(const Program& program, const Kernel& kernel, std::int64_t count, int threads,
                   const Target& target);

/// Makes the parts of `cost` by result all of its work: what sums in registers take belongs to the
/// memory that they are stored to, what loops take to all results, in proportion.
void attribute_all(const Program& program, const Kernel& kernel, KernelCost& cost);

/// All of the work, by layer (of Kernel::layers, in that order).
std::vector<std::pair<std::string, Work>> by_layer(const Program& program, const Kernel& kernel,
                                                   const KernelCost& cost);

/// FLOP that one core can start in a cycle at best.
double peak_flops_per_cycle(const Target& target, ScalarType type);

}  // namespace cnnc
