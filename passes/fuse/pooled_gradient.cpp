#include "passes/fuse/pooled_gradient.h"

#include <algorithm>
#include <optional>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Whether `value` is the row-major place of (ky, kx) in its window.
bool is_place(const Expr& value, const For& ky, const For& kx) {
  const Expr plain = value.as<Cast>() ? value.as<Cast>()->x : value;
  return same(plain, Expr(ky.var) * *extent(kx) + Expr(kx.var));
}

/// The values that the one kernel which computes `buffer` as a least or greatest of integers gives
/// it; nothing where it may hold others.
std::optional<IntegerRange> stored_range(const Program& program, BufferId buffer) {
  std::optional<IntegerRange> result;
  for (const Kernel& kernel : program.kernels) {
    bool writes = false;
    for (const BufferAccess& access : accesses(kernel.body))
      writes |= access.write && program.storage(access.buffer) == program.storage(buffer);
    if (!writes) continue;
    if (result || kernel.body.size() != 1) return std::nullopt;
    const Nest nest = nest_of(kernel.body.front());
    if (nest.body.size() != 4) return std::nullopt;
    const Nest inner = nest_of(nest.body[2]);
    const auto* initial = nest.body[1].as<Store>();
    const auto* store = nest.body[3].as<Store>();
    const auto* least = inner.body.size() == 1 ? inner.body.front().as<Accumulate>() : nullptr;
    if (!initial || !store || !least || least->op != Reduction::min ||
        initial->buffer != least->buffer || !store->value.as<Load>() ||
        store->value.as<Load>()->buffer != least->buffer)
      return std::nullopt;
    RangeContext context{&program, {}, {}};
    for (const For& loop : inner.loops) {
      if (!loop.begin.constant() || extent(loop).value_or(0) < 1) return std::nullopt;
      context.variables[loop.var] = {*loop.begin.constant(),
                                     *loop.begin.constant() + *extent(loop) - 1};
    }
    const auto first = range_of(initial->value, context), each = range_of(least->value, context);
    if (!first || !each) return std::nullopt;
    result = IntegerRange{std::min(first->low, each->low), each->high};
  }
  return result;
}

std::optional<PooledGradient> pooled_gradient_of(const Program& program, const Kernel& kernel) {
  const For* samples = only_sample_loop(kernel);
  if (!samples) return std::nullopt;
  const Nest nest = nest_of(Stmt{*samples});
  const auto* store = only_store(nest.body);
  if (!store || nest.loops.size() != 6 || store->index.size() != 6 ||
      program.buffer(store->buffer).memory != Memory::arena ||
      program.buffer(store->buffer).view_of)
    return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto* var = store->index[i].as<Var>();
    if (!var || *var != nest.loops[i].var) return std::nullopt;
    if (i > 0 && (nest.loops[i].begin.constant() != 0 || !extent(nest.loops[i])))
      return std::nullopt;
  }
  const For &ky = nest.loops[2], &kx = nest.loops[4];
  const auto* choice = store->value.as<Select>();
  const auto* zero = choice ? choice->b.as<Const>() : nullptr;
  const auto* hit = choice ? choice->condition.as<Binary>() : nullptr;
  if (!zero || !is_float(store->value.type()) || zero->real != 0 || !hit ||
      hit->op != BinaryOp::equal || !hit->a.as<Load>() || !is_place(hit->b, ky, kx))
    return std::nullopt;
  for (const For* loop : {&ky, &kx})
    if (depends_on(hit->a, loop->var) || depends_on(choice->a, loop->var)) return std::nullopt;
  // Whoever reads the gradient in other loops knows the sample, but not its group.
  for (const Expr& e : {hit->a, choice->a})
    if (depends_on(e, group_loop(kernel)->var)) return std::nullopt;
  const std::array<std::int64_t, 2> window{*extent(ky), *extent(kx)};
  const auto places = stored_range(program, hit->a.as<Load>()->buffer);
  if (!places || places->low < 0 || places->high >= window[0] * window[1]) return std::nullopt;
  return PooledGradient{
      store->buffer,
      {nest.loops[0].var, nest.loops[1].var, nest.loops[3].var, nest.loops[5].var},
      window,
      hit->a,
      choice->a};
}

}  // namespace

Dims PooledGradient::image(const Program& program) const {
  const Dims& own = program.buffer(scattered).type.dims;
  return {own[0], own[1] * own[2], own[3] * own[4], own[5]};
}

std::vector<PooledGradient> pooled_gradients(const Program& program) {
  std::vector<PooledGradient> result;
  for (const Kernel& kernel : program.kernels)
    if (auto pooled = pooled_gradient_of(program, kernel)) result.push_back(std::move(*pooled));
  return result;
}

bool is_image_of(const Program& program, const PooledGradient& pooled, BufferId buffer) {
  return program.storage(buffer) == pooled.scattered &&
         program.buffer(buffer).type.dims == pooled.image(program);
}

}  // namespace cnnc
