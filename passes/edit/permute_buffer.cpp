#include "passes/edit/permute_buffer.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

template <class T>
std::vector<T> permuted(const std::vector<T>& values, const std::vector<std::size_t>& order) {
  std::vector<T> result;
  for (const std::size_t i : order) result.push_back(values[i]);
  return result;
}

/// Loops around nothing but a store of a constant to `id`, in the order of its index.
Stmt in_memory_order(const Stmt& stmt, BufferId id) {
  const Nest nest = nest_of(stmt);
  const auto* store = only_store(nest.body);
  if (!store || store->buffer != id || !store->value.as<Const>()) return stmt;
  std::vector<For> loops;
  for (const Expr& index : store->index)
    for (const For& loop : nest.loops)
      if (const auto* var = index.as<Var>(); var && *var == loop.var && extent(loop))
        loops.push_back(loop);
  return loops.size() == nest.loops.size() ? wrap(loops, nest.body).front() : stmt;
}

void order_fills(Block& block, BufferId id) {
  for (Stmt& stmt : block) {
    if (auto* branch = stmt.as<If>()) {
      order_fills(branch->then_body, id);
      order_fills(branch->else_body, id);
    }
    auto* loop = stmt.as<For>();
    if (!loop) continue;
    order_fills(loop->body, id);
    stmt = in_memory_order(stmt, id);
  }
}

}  // namespace

bool may_be_permuted(const Program& program, BufferId buffer) {
  return program.buffer(buffer).memory == Memory::arena && !program.buffer(buffer).view_of &&
         !has_views(program, buffer);
}

void permute_buffer(Program& program, BufferId buffer, const std::vector<std::size_t>& order) {
  auto& dims = program.buffers[static_cast<std::size_t>(buffer)].type.dims;
  dims = permuted(dims, order);
  for (Kernel& kernel : program.kernels) {
    kernel.body = map_indices(kernel.body, [&](BufferId id, const std::vector<Expr>& index) {
      return id == buffer ? permuted(index, order) : index;
    });
    order_fills(kernel.body, buffer);
  }
}

}  // namespace cnnc
