// unroll:
//   for x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] } }
//     ->
//   unroll x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] } }
// The loops keep their form here; code generation makes the copies.
#include "passes/registers/unroll.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// The most copies of a statement that a short loop around a register tile may bring the total to:
/// beyond, operands that neighbouring iterations share would be kept, and spill.
constexpr std::int64_t kMaxCopies = 16;
/// The same where vectors are added to memory, which keeps nothing.
constexpr std::int64_t kMaxCopiesInMemory = 40;

class Unroller {
 public:
  explicit Unroller(const Program& program) : program_(program) {}

  /// Copies of a statement that `block` expands to.
  std::int64_t run(Block& block) const {
    std::int64_t most = 1;
    for (Stmt& stmt : block) {
      auto* loop = stmt.as<For>();
      if (!loop) continue;
      const std::int64_t copies = run(loop->body);
      const auto trips = extent(*loop);
      const std::int64_t all = saturating_product(copies, trips.value_or(1));
      if (loop->kind == LoopKind::serial && trips &&
          (indexes_registers(*loop) || is_short(*loop, all) || adds_to_memory(*loop, all))) {
        loop->kind = LoopKind::unroll;
        most = std::max(most, all);
      } else if (loop->kind != LoopKind::serial) {
        most = std::max(most, loop->kind == LoopKind::unroll ? all : copies);
      }
    }
    return most;
  }

 private:
  bool indexes_registers(const For& loop) const {
    const auto all = accesses(loop.body);
    return std::any_of(all.begin(), all.end(), [&](const BufferAccess& access) {
      return program_.buffer(access.buffer).memory == Memory::reg &&
             std::any_of(access.index.begin(), access.index.end(),
                         [&](const Expr& e) { return depends_on(e, loop.var); });
    });
  }

  /// A loop of a few iterations that only accumulates into registers.
  bool is_short(const For& loop, std::int64_t copies) const {
    if (copies > kMaxCopies || *extent(loop) > 8) return false;
    bool accumulates = false, other = false;
    walk(loop.body, [&](const Stmt& stmt) {
      if (const auto* accumulate = stmt.as<Accumulate>())
        accumulates |= program_.buffer(accumulate->buffer).memory == Memory::reg;
      if (stmt.as<Store>() || stmt.as<Alloc>()) other = true;
      if (const auto* inner = stmt.as<For>()) other |= inner->kind == LoopKind::serial;
    });
    return accumulates && !other;
  }

  /// A loop of a few iterations that only adds vectors to memory, which leaves their addresses
  /// alike but for constants.
  bool adds_to_memory(const For& loop, std::int64_t copies) const {
    if (copies > kMaxCopiesInMemory || loop.body.size() != 1) return false;
    const auto* inner = loop.body.front().as<For>();
    if (!inner) return false;
    if (inner->kind == LoopKind::unroll) return adds_to_memory(*inner, 0);
    const auto* add = inner->body.size() == 1 ? inner->body.front().as<Accumulate>() : nullptr;
    return inner->kind == LoopKind::vector && add &&
           program_.buffer(add->buffer).memory != Memory::reg;
  }

  const Program& program_;
};

}  // namespace

Program unroll(const Program& program, const PassContext&) {
  Program result = program;
  const Unroller unroller(program);
  for (Kernel& kernel : result.kernels) unroller.run(kernel.body);
  return result;
}

}  // namespace cnnc
