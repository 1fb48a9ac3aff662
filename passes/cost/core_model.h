// A model of one core: what a statement occupies of it. The core starts two vector operations, two
// loads and one store a cycle; all of them overlap, but for sums, whose terms follow each other.
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// What one iteration of a serial loop occupies: operations, loads and stores in vector registers,
/// and the latency of what waits for the iteration before.
struct Slots {
  double vector = 0, load = 0, store = 0, chain = 0;

  double cycles() const;
  Slots& operator+=(const Slots& other);
};

/// Where a statement stands: the loops between it and the innermost serial loop, and that loop.
struct Frame {
  double times = 1;                                 // that the serial loop's body runs
  Var serial = nullptr;                             // that loop's variable
  std::vector<std::pair<Var, double>> copies = {};  // unrolled loops and their lengths
  Var lane = nullptr;                               // of the vector loop
  double lanes = 1;

  /// Times that the statement runs: `times` and its copies.
  double statements() const;
};

/// Which variables a value depends on, directly or through a Let.
class Dependences {
 public:
  void bind(const Let& let);
  bool depends(const Expr& expr, const Var& var) const;
  bool depends(const std::vector<Expr>& exprs, const Var& var) const;

 private:
  std::unordered_map<Var, std::vector<Var>> lets_;
};

/// A Store, or with a reduction an Accumulate.
struct Assignment {
  BufferId buffer = 0;
  const std::vector<Expr>* index = nullptr;
  Expr value;
  std::optional<Reduction> reduction = {};
};
std::optional<Assignment> assignment(const Stmt& stmt);

struct Occupation {
  Slots slots;  // of one iteration of the serial loop
  double flops =
      0;  // of all its iterations: additions, multiplications, divisions, roots of floats
};

/// Of a Let: what its value costs.
Occupation occupation(const Program& program, const Target& target, const Dependences& dependences,
                      const Frame& frame, const Let& let);

/// What unrolled copies have in common counts once, as LLVM computes it once.
Occupation occupation(const Program& program, const Target& target, const Dependences& dependences,
                      const Frame& frame, const Assignment& assignment);

/// Vector operations that the core starts in a cycle.
inline constexpr double kVectorPorts = 2;

}  // namespace cnnc
