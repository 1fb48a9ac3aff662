#include "passes/renumber_buffers.h"

#include <functional>

namespace cnnc {

namespace {

/// Gives every buffer in `block` its new number.
void renumber(Block& block, const std::vector<BufferId>& numbers) {
  const auto number = [&](BufferId id) { return numbers.at(static_cast<std::size_t>(id)); };
  block = map_exprs(block, [&](const Expr& top) {
    return transform(top, [&](const Expr& expr) -> Expr {
      const auto* l = expr.as<Load>();
      return l ? load(number(l->buffer), expr.type(), l->index) : Expr();
    });
  });
  const std::function<void(Block&)> statements = [&](Block& stmts) {
    for (Stmt& stmt : stmts) {
      if (auto* store = stmt.as<Store>()) store->buffer = number(store->buffer);
      if (auto* accumulate = stmt.as<Accumulate>()) accumulate->buffer = number(accumulate->buffer);
      if (auto* alloc = stmt.as<Alloc>()) alloc->buffer = number(alloc->buffer);
      if (auto* loop = stmt.as<For>()) statements(loop->body);
      if (auto* branch = stmt.as<If>()) {
        statements(branch->then_body);
        statements(branch->else_body);
      }
    }
  };
  statements(block);
}

}  // namespace

void renumber_buffers(Program& program, const std::vector<BufferId>& numbers) {
  for (Buffer& buffer : program.buffers)
    if (buffer.view_of) buffer.view_of = numbers.at(static_cast<std::size_t>(*buffer.view_of));
  for (Kernel& kernel : program.kernels) renumber(kernel.body, numbers);
}

}  // namespace cnnc
