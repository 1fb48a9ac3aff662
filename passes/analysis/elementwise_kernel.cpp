#include "passes/analysis/elementwise_kernel.h"

#include <algorithm>
#include <set>

#include "passes/analysis/nest.h"

namespace cnnc {

bool is_one_to_one(const std::vector<Expr>& index, const std::vector<For>& loops,
                   const For* groups) {
  std::set<Var> used;
  for (const Expr& each : index) {
    const auto* var = each.as<Var>();
    if (var ? !used.insert(*var).second : each.constant() != 0) return false;
  }
  return std::ranges::all_of(loops, [&](const For& loop) {
    return loop.kind == LoopKind::serial &&
           (used.contains(loop.var) || (groups && loop.var == groups->var));
  });
}

std::optional<ElementwiseKernel> elementwise_of(const Kernel& kernel) {
  if (kernel.body.size() != 1) return std::nullopt;
  const Nest nest = nest_of(kernel.body.front());
  const auto* store = only_store(nest.body);
  if (!store || !is_one_to_one(store->index, nest.loops, group_loop(kernel))) return std::nullopt;
  for (const For& loop : nest.loops)  // what the value depends on, the index says
    if (depends_on(store->value, loop.var) &&
        std::ranges::none_of(store->index, [&](const Expr& e) { return same(e, loop.var); }))
      return std::nullopt;
  return ElementwiseKernel{store->buffer, store->index, store->value};
}

}  // namespace cnnc
