#include "passes/drop_unused_buffers.h"

#include "passes/nest.h"

namespace cnnc {

namespace {

std::vector<bool> used_buffers(const Program& program) {
  std::vector<bool> used(program.buffers.size());
  const auto use = [&](BufferId id) { used.at(static_cast<std::size_t>(id)) = true; };
  for (std::size_t i = 0; i < used.size(); ++i) {
    const Memory memory = program.buffers[i].memory;
    used[i] = !program.buffers[i].view_of &&
              (memory == Memory::input || memory == Memory::state || memory == Memory::output);
  }
  for (const Kernel& kernel : program.kernels) {
    walk(kernel.body, [&](const Stmt& stmt) {
      if (const auto* alloc = stmt.as<Alloc>()) use(alloc->buffer);
    });
    for (const BufferAccess& access : accesses(kernel.body)) {
      use(access.buffer);
      use(program.storage(access.buffer));
    }
  }
  return used;
}

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

Program drop_unused_buffers(const Program& program) {
  const std::vector<bool> used = used_buffers(program);
  std::vector<BufferId> numbers(used.size(), -1);
  Program result{program.name, {}, program.kernels};
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    numbers[i] = static_cast<BufferId>(result.buffers.size());
    result.buffers.push_back(program.buffers[i]);
  }
  if (result.buffers.size() == program.buffers.size()) return program;
  for (Buffer& buffer : result.buffers)
    if (buffer.view_of) buffer.view_of = numbers[static_cast<std::size_t>(*buffer.view_of)];
  for (Kernel& kernel : result.kernels) renumber(kernel.body, numbers);
  return result;
}

}  // namespace cnnc
