#include "passes/edit/renumber_buffers.h"

#include <utility>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

void renumber_allocs(Block& block, const std::vector<BufferId>& numbers) {
  for (Stmt& stmt : block) {
    if (auto* alloc = stmt.as<Alloc>())
      alloc->buffer = numbers.at(static_cast<std::size_t>(alloc->buffer));
    if (auto* loop = stmt.as<For>()) renumber_allocs(loop->body, numbers);
    if (auto* branch = stmt.as<If>()) {
      renumber_allocs(branch->then_body, numbers);
      renumber_allocs(branch->else_body, numbers);
    }
  }
}

/// Gives every buffer in `block` its new number.
void renumber(Block& block, const std::vector<BufferId>& numbers) {
  block = map_accesses(block, [&](BufferId id, const std::vector<Expr>& index) {
    return std::pair(numbers.at(static_cast<std::size_t>(id)), index);
  });
  renumber_allocs(block, numbers);
}

}  // namespace

void renumber_buffers(Program& program, const std::vector<BufferId>& numbers) {
  for (Buffer& buffer : program.buffers)
    if (buffer.view_of) buffer.view_of = numbers.at(static_cast<std::size_t>(*buffer.view_of));
  for (Kernel& kernel : program.kernels) renumber(kernel.body, numbers);
}

}  // namespace cnnc
