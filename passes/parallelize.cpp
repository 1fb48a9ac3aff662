// parallelize:
//   kernel update { for i in 0 .. 3136 { for j { w[i,j] = ... } } }
//     ->
//   kernel update { parallel i.t in 0 .. 16 { for i in i.t*196 .. min(i.t*196 + 196, 3136) { for j
//   { w[i,j] = ... } } } }
#include "passes/parallelize.h"

#include <algorithm>

#include "passes/nest.h"

namespace cnnc {

namespace {

/// Work (statements times lanes) that is worth handing to another thread.
constexpr double kTaskWork = 30000;
/// Blocks that a long loop is split into: enough for any number of cores that a small network can
/// use, a constant, so that dumps do not depend on the machine.
constexpr std::int64_t kMaxTasks = 64;

double work(const Block& block) {
  double total = 0;
  for (const Stmt& stmt : block) {
    const auto* loop = stmt.as<For>();
    total += loop ? static_cast<double>(extent(*loop).value_or(kGroupSize)) * work(loop->body) : 1;
  }
  return total;
}

/// Whether iterations of `loop` touch disjoint elements of all that they write: some dimension of
/// every access to such a buffer is the same multiple of the variable, with what is added to it
/// staying inside one iteration's range.
class Independence {
 public:
  Independence(const Program& program, const For& loop) : program_(program), loop_(loop) {}

  bool holds() const {
    const auto all = accesses(loop_.body);
    for (const BufferAccess& write : all) {
      if (!write.write || is_local(write.buffer)) continue;
      std::optional<std::size_t> dimension;
      for (std::size_t d = 0; d < write.index.size() && !dimension; ++d)
        if (stays_in_iteration(write.index[d])) dimension = d;
      if (!dimension) return false;
      const auto step = stride_in(write.index[*dimension], loop_.var);
      for (const BufferAccess& other : all) {
        if (program_.storage(other.buffer) != program_.storage(write.buffer)) continue;
        if (other.buffer != write.buffer || !stays_in_iteration(other.index[*dimension]))
          return false;
        if (stride_in(other.index[*dimension], loop_.var) != step) return false;
      }
    }
    return true;
  }

 private:
  bool is_local(BufferId buffer) const {
    const Memory memory = program_.buffer(buffer).memory;
    return memory == Memory::reg || memory == Memory::stack || memory == Memory::thread;
  }

  /// index = step * var + r with 0 <= r < step for all values of the inner loops.
  bool stays_in_iteration(const Expr& index) const {
    const auto step = stride_in(index, loop_.var);
    if (!step || *step < 1) return false;
    std::int64_t reach = 0;
    Substitution zero{{loop_.var, Expr(0)}};
    bool known = true;
    walk(loop_.body, [&](const Stmt& stmt) {
      const auto* inner = stmt.as<For>();
      if (!inner || !depends_on(index, inner->var)) return;
      const auto inner_step = stride_in(index, inner->var);
      if (!inner_step || *inner_step < 0 || !extent(*inner) || inner->begin.constant() != 0) {
        known = false;
        return;
      }
      reach += *inner_step * (*extent(*inner) - 1);
      zero[inner->var] = 0;
    });
    const auto base = substitute(index, zero).constant();
    if (!known || !base) return false;
    return reach < *step;
  }

  const Program& program_;
  const For& loop_;
};

/// for i in 0 .. n { body }  ->  for t in 0 .. tasks { for i in t*block .. min(t*block + block, n)
/// { body } }
For blocked(const For& loop, std::int64_t block) {
  const std::int64_t length = *extent(loop);
  const Var t = make_var(loop.var->name + ".t");
  const Expr begin = Expr(t) * block;
  const Expr end = length % block == 0 ? begin + block : min(begin + block, length);
  return {t,
          0,
          (length + block - 1) / block,
          LoopKind::serial,
          {Stmt{For{loop.var, begin, end, LoopKind::serial, loop.body}}}};
}

}  // namespace

Program parallelize(const Program& program, const Target&) {
  Program result = program;
  for (Kernel& kernel : result.kernels) {
    if (group_loop(kernel)) {
      kernel.body.front().as<For>()->kind = LoopKind::parallel;
      continue;
    }
    for (Stmt& stmt : kernel.body) {
      auto* loop = stmt.as<For>();
      if (!loop || loop->kind != LoopKind::serial || !extent(*loop) || loop->begin.constant() != 0)
        continue;
      const double each = work(loop->body), total = each * static_cast<double>(*extent(*loop));
      if (total < 2 * kTaskWork || !Independence(program, *loop).holds()) continue;
      const auto enough = static_cast<std::int64_t>(kTaskWork / each) + 1;
      const std::int64_t block = std::max(enough, (*extent(*loop) + kMaxTasks - 1) / kMaxTasks);
      if (block > 1) *loop = blocked(*loop, block);
      loop->kind = LoopKind::parallel;
    }
  }
  return result;
}

}  // namespace cnnc
