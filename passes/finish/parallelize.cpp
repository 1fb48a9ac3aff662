// parallelize:
//   for i in 0 .. 3136 { for j { w[i,j] = ... } }
//     ->
//   parallel i.t in 0 .. 16 { for i in i.t*196 .. i.t*196 + 196 { for j { w[i,j] = ... } } }
#include "passes/finish/parallelize.h"

#include <algorithm>
#include <set>

#include "passes/analysis/affine.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Work (statements times lanes) that is worth handing to another thread.
constexpr double kTaskWork = 30000;
/// Blocks that a long loop is split into: enough for any number of cores that a small network can
/// use, a constant, so that dumps do not depend on the machine.
constexpr std::int64_t kMaxTasks = 64;

double work(const Program& program, const Block& block) {
  double total = 0;
  for (const Stmt& stmt : block) {
    const auto* loop = stmt.as<For>();
    total +=
        loop ? static_cast<double>(assumed_extent(program, *loop)) * work(program, loop->body) : 1;
  }
  return total;
}

/// Whether iterations of `loop` touch disjoint elements of all that they write: some dimension of
/// every access to such a buffer lies in the same window of the variable (passes/analysis/affine.h).
class Independence {
 public:
  Independence(const Program& program, const For& loop)
      : program_(program), all_(ranged_accesses(loop)) {
    walk(loop.body, [&](const Stmt& stmt) {
      if (const auto* alloc = stmt.as<Alloc>()) own_.insert(alloc->buffer);
    });
  }

  bool holds() const {
    std::set<BufferId> seen;
    for (const RangedAccess& write : all_)
      if (write.write && !is_private(write.buffer) && seen.insert(storage(write)).second &&
          !splits(write))
        return false;
    return true;
  }

 private:
  BufferId storage(const RangedAccess& access) const { return program_.storage(access.buffer); }

  /// A worker's scratch, and what is allocated in an iteration.
  bool is_private(BufferId buffer) const {
    return program_.buffer(program_.storage(buffer)).memory == Memory::thread ||
           own_.contains(buffer);
  }

  bool splits(const RangedAccess& write) const {
    for (std::size_t d = 0; d < write.index.size(); ++d)
      if (write.index[d].window() && splits_along(write, d)) return true;
    return false;
  }

  /// Whether all accesses to the memory of `write` stay in its window of dimension `d`.
  bool splits_along(const RangedAccess& write, std::size_t d) const {
    const LinearRange& mine = write.index[d];
    const auto rows = [&](BufferId id) { return program_.buffer(id).type.dims[d]; };
    return std::ranges::all_of(all_, [&](const RangedAccess& other) {
      if (storage(other) != storage(write)) return true;
      // Views with as many rows have rows of the same size.
      const bool comparable =
          other.buffer == write.buffer ||
          (d == 0 && !other.index.empty() && rows(other.buffer) == rows(write.buffer));
      return comparable && other.index[d].scale == mine.scale &&
             other.index[d].window() == mine.window();
    });
  }

  const Program& program_;
  std::vector<RangedAccess> all_;
  std::set<BufferId> own_;
};

/// Whether `loop` uses no variable and no register that stands outside of it: workers have memory
/// in common, nothing else.
bool stands_alone(const Program& program, const For& loop) {
  std::set<Var> variables{loop.var};
  std::set<BufferId> buffers;
  walk(loop.body, [&](const Stmt& stmt) {
    if (const auto* inner = stmt.as<For>()) variables.insert(inner->var);
    if (const auto* let = stmt.as<Let>()) variables.insert(let->var);
    if (const auto* alloc = stmt.as<Alloc>()) buffers.insert(alloc->buffer);
  });
  bool alone = std::ranges::all_of(accesses(loop.body), [&](const BufferAccess& access) {
    const Memory memory = program.buffer(access.buffer).memory;
    return (memory != Memory::reg && memory != Memory::stack) || buffers.contains(access.buffer);
  });
  walk_exprs(loop.body, [&](const Expr& top) {
    walk(top, [&](const Expr& expr) {
      const auto* var = expr.as<Var>();
      alone = alone && (var == nullptr || variables.contains(*var));
    });
  });
  return alone;
}

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

Program parallelize(const Program& program, const PassContext&) {
  Program result = program;
  for (Kernel& kernel : result.kernels) {
    if (const For* groups = group_loop(kernel)) {
      if (Independence(program, *groups).holds())
        kernel.body.front().as<For>()->kind = LoopKind::parallel;
      continue;
    }
    for (Stmt& stmt : kernel.body) {
      auto* loop = stmt.as<For>();
      if (!loop || loop->kind != LoopKind::serial || !extent(*loop) || loop->begin.constant() != 0)
        continue;
      const double each = work(program, loop->body);
      const double total = each * static_cast<double>(*extent(*loop));
      if (total < 2 * kTaskWork || !stands_alone(program, *loop) ||
          !Independence(program, *loop).holds())
        continue;
      const auto enough = static_cast<std::int64_t>(kTaskWork / each) + 1;
      const std::int64_t block = std::max(enough, (*extent(*loop) + kMaxTasks - 1) / kMaxTasks);
      if (block > 1) *loop = blocked(*loop, block);
      loop->kind = LoopKind::parallel;
    }
  }
  return result;
}

}  // namespace cnnc
