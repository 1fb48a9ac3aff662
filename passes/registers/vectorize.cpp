// vectorize:
//   for i in 0 .. 100 { y[i] = x[i] + 1 }
//     ->
//   for i.t in 0 .. 6 { vector i in 0 .. 16 { y[i.t*16 + i] = x[i.t*16 + i] + 1 } }
//   vector i in 0 .. 4 { y[96 + i] = x[96 + i] + 1 }
// A loop qualifies when it stores contiguously, along its variable (on some targets some elements
// apart), and carries nothing from one iteration to the next; what it loads may lie some elements
// apart. Two loops change places where neighbours lie along the outer one, or become one
// (collapse_rows.h). A nest that reads along one loop and stores along another goes by square blocks
// (transpose_blocks.h):
//   for k { for n { to[k, n] = from[n, k] } }
//     ->
//   for k.t { for n.t { alloc block
//     for row { vector lane { block[row, lane] = from[n.t*16 + row, k.t*16 + lane] } }
//     (rows and lanes of block change places, in four steps)
//     for row { vector lane { to[k.t*16 + row, n.t*16 + lane] = block[row, lane] } } } }
#include "passes/registers/vectorize.h"

#include <algorithm>

#include "passes/analysis/nest.h"
#include "passes/edit/prune_buffers.h"
#include "passes/registers/collapse_rows.h"
#include "passes/registers/transpose_blocks.h"

namespace cnnc {

namespace {

class Vectorizer {
 public:
  Vectorizer(Program& program, const Target& target) : program_(program), target_(target) {}

  Block run(const Block& block) {
    Block result;
    for (const Stmt& stmt : block) {
      const auto swapped = with_neighbours_inside(stmt);
      const auto flat = swapped ? swapped : collapse_rows(program_, stmt, target_);
      const auto* loop = flat ? flat->as<For>() : stmt.as<For>();
      if (!loop) {
        result.push_back(stmt);
      } else if (const auto blocks = transpose_blocks(program_, *loop, target_)) {
        result.insert(result.end(), blocks->begin(), blocks->end());
      } else if (const auto width = lanes(*loop)) {
        split(*loop, *width, result);
      } else {
        For copy = *loop;
        copy.body = run(loop->body);
        result.push_back({std::move(copy)});
      }
    }
    return result;
  }

 private:
  /// Two loops around one store change places where neighbours lie along the outer one; not where
  /// they read registers, whose rows are vectors as they are.
  std::optional<Stmt> with_neighbours_inside(const Stmt& stmt) const {
    const Nest nest = nest_of(stmt);
    const auto* store = only_store(nest.body);
    if (!store || nest.loops.size() != 2 ||
        memory_stride(program_, store->buffer, store->index, nest.loops[0].var) != 1 ||
        memory_stride(program_, store->buffer, store->index, nest.loops[1].var) == 1 ||
        !touches_written_elements_only(program_, nest.body) ||
        std::ranges::any_of(accesses(nest.body), [&](const BufferAccess& access) {
          return program_.buffer(access.buffer).memory == Memory::reg;
        }))
      return std::nullopt;
    for (const For& loop : nest.loops)
      if (!is_plain(loop) || !separates(*store, loop, nest.loops)) return std::nullopt;
    const std::vector<For> loops{nest.loops[1], nest.loops[0]};
    return wrap(loops, nest.body).front();
  }

  /// The vector width for `loop`, or nothing where it cannot or should not be a vector.
  std::optional<std::int64_t> lanes(const For& loop) const {
    if (loop.kind != LoopKind::serial || !extent(loop) || *extent(loop) < 2) return std::nullopt;
    std::size_t widest = 1;
    bool stores = false;
    for (const Stmt& stmt : loop.body) {
      if (const auto* let = stmt.as<Let>()) {
        widest = std::max(widest, size_of(let->var->type));
        if (!widen(let->value, loop.var, widest)) return std::nullopt;
        continue;
      }
      const auto* store = stmt.as<Store>();
      const auto* accumulate = stmt.as<Accumulate>();
      if (!store && !accumulate) return std::nullopt;
      stores = true;
      const BufferId buffer = store ? store->buffer : accumulate->buffer;
      const auto& index = store ? store->index : accumulate->index;
      const auto stride = memory_stride(program_, buffer, index, loop.var);
      const ScalarType type = program_.buffer(buffer).type.scalar;
      const std::int64_t longest = store && stores_masked(target_) ? longest_stride(type) : 1;
      if (!stride || *stride < 1 || *stride > longest) return std::nullopt;
      widest = std::max(widest, size_of(program_.buffer(buffer).type.scalar));
      if (!widen(store ? store->value : accumulate->value, loop.var, widest)) return std::nullopt;
    }
    if (!stores || !touches_written_elements_only(program_, loop.body)) return std::nullopt;
    return target_.vector_bytes / static_cast<std::int64_t>(widest);
  }

  /// Takes account of the widest type that varies from lane to lane; refuses loads that would go
  /// lane by lane.
  bool widen(const Expr& value, const Var& var, std::size_t& widest) const {
    bool good = true;
    walk(value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (!l) return;
      const bool varies = std::any_of(l->index.begin(), l->index.end(),
                                      [&](const Expr& i) { return depends_on(i, var); });
      if (!varies) return;
      const auto stride = memory_stride(program_, l->buffer, l->index, var);
      good &= stride && 1 <= *stride && *stride <= longest_stride(e.type());
      widest = std::max(widest, size_of(e.type()));
    });
    return good;
  }

  static void split(const For& loop, std::int64_t width, Block& result) {
    const std::int64_t length = *extent(loop), full = length / width;
    const auto vector = [&](const Expr& begin, std::int64_t lanes) {
      const Var lane = make_var(loop.var->name);
      return Stmt{For{
          lane, 0, lanes, LoopKind::vector,
          with_fresh_lets(substitute(loop.body, {{loop.var, loop.begin + begin + Expr(lane)}}))}};
    };
    if (full == 1) {
      result.push_back(vector(0, width));
    } else if (full > 1) {
      const Var t = make_var(loop.var->name + ".t");
      result.push_back({For{t, 0, full, LoopKind::serial, {vector(Expr(t) * width, width)}}});
    }
    if (length % width != 0) result.push_back(vector(full * width, length % width));
  }

  Program& program_;
  const Target& target_;
};

}  // namespace

Program vectorize(const Program& program, const PassContext& context) {
  Program result = program;
  Vectorizer vectorizer(result, context.target);
  for (Kernel& kernel : result.kernels) kernel.body = vectorizer.run(kernel.body);
  return prune_buffers(result);  // views on the way to those that rows are stored through
}

}  // namespace cnnc
