// unroll:
//   for x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] } }
//     ->
//   unroll x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] } }
// and
//   for k in 0 .. 3 { for x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x + k,l] * w[k,l] } } }
//     ->
//   unroll x in 0 .. 6 { unroll k in 0 .. 3 { vector l in 0 .. 8 { ... } } }
// The loop keeps its form here; code generation makes the copies.
#include "passes/unroll.h"

#include <algorithm>

#include "passes/nest.h"

namespace cnnc {

namespace {

/// The most copies of a statement that a short loop around a register tile may bring the total to:
/// beyond, operands that neighbouring iterations share would be kept, and spill.
constexpr std::int64_t kMaxCopies = 16;
/// The same where vectors are added to memory, which keeps nothing.
constexpr std::int64_t kMaxCopiesInMemory = 40;
/// The same where a loop around a tile goes inside of it.
constexpr std::int64_t kMaxCopiesInside = 96;

class Unroller {
 public:
  Unroller(const Program& program, const Target& target)
      : program_(program), operands_in_memory_(target.vector_bytes > 16) {}

  /// Copies of a statement that `block` expands to.
  std::int64_t run(Block& block) const {
    std::int64_t most = 1;
    for (Stmt& stmt : block) {
      auto* loop = stmt.as<For>();
      if (!loop) continue;
      if (goes_inside(*loop)) stmt = inside(*loop);
      loop = stmt.as<For>();
      const std::int64_t copies = run(loop->body);
      const auto trips = extent(*loop);
      if (loop->kind == LoopKind::serial && trips &&
          (indexes_registers(*loop) || is_short(*loop, copies * *trips) ||
           adds_to_memory(*loop, copies * *trips))) {
        loop->kind = LoopKind::unroll;
        most = std::max(most, copies * *trips);
      } else {
        const bool copied = loop->kind == LoopKind::unroll;
        most = std::max(most, loop->kind == LoopKind::serial ? 1 : copies * (copied ? *trips : 1));
      }
    }
    return most;
  }

 private:
  /// A short loop around those of a tile that only accumulate, along an operand's dimension that
  /// the tile goes along too: its iterations load the same elements.
  bool goes_inside(const For& loop) const {
    const auto trips = extent(loop);
    if (!operands_in_memory_ || loop.kind != LoopKind::serial || !trips || *trips > 8) return false;
    const Nest tile = nest_of(Stmt{loop});
    const auto* sum = tile.body.size() == 1 ? tile.body.front().as<Accumulate>() : nullptr;
    if (!sum || tile.loops.size() < 3 || program_.buffer(sum->buffer).memory != Memory::reg)
      return false;
    std::int64_t copies = *trips;
    bool shares = false;
    for (std::size_t i = 1; i < tile.loops.size(); ++i) {
      const For& each = tile.loops[i];
      if (!extent(each) ||
          std::ranges::none_of(sum->index, [&](const Expr& e) { return depends_on(e, each.var); }))
        return false;
      if (each.kind == LoopKind::vector) {
        if (!loads_vectors(sum->value, each.var)) return false;
        continue;
      }
      copies *= *extent(each);
      shares |= load_the_same(sum->value, loop.var, each.var);
    }
    return shares && copies <= kMaxCopiesInside;
  }

  bool loads_vectors(const Expr& value, const Var& lane) const {
    bool result = true;
    walk(value, [&](const Expr& e) {
      if (const auto* l = e.as<Load>())
        result &= memory_stride(program_, l->buffer, l->index, lane) == 1;
    });
    return result;
  }

  bool load_the_same(const Expr& value, const Var& a, const Var& b) const {
    bool result = false;
    walk(value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (!l) return;
      for (const Expr& index : l->index) {
        const auto along_a = stride_in(index, a), along_b = stride_in(index, b);
        result |= along_a && along_b && *along_a != 0 && *along_a == *along_b;
      }
    });
    return result;
  }

  static Stmt inside(const For& loop) {
    Nest tile = nest_of(Stmt{loop});
    const auto vector = std::ranges::find_if(
        tile.loops, [](const For& each) { return each.kind == LoopKind::vector; });
    std::rotate(tile.loops.begin(), tile.loops.begin() + 1, vector);
    for (auto each = tile.loops.begin(); each != vector; ++each) each->kind = LoopKind::unroll;
    return wrap(tile.loops, tile.body).front();
  }

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
  const bool operands_in_memory_;
};

}  // namespace

Program unroll(const Program& program, const Target& target) {
  Program result = program;
  const Unroller unroller(program, target);
  for (Kernel& kernel : result.kernels) unroller.run(kernel.body);
  return result;
}

}  // namespace cnnc
