#include "passes/edit/prune_buffers.h"

#include "passes/analysis/nest.h"
#include "passes/edit/renumber_buffers.h"

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

}  // namespace

Program prune_buffers(const Program& program) {
  const std::vector<bool> used = used_buffers(program);
  std::vector<BufferId> numbers(used.size(), -1);
  Program result = program;
  result.buffers.clear();
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    numbers[i] = static_cast<BufferId>(result.buffers.size());
    result.buffers.push_back(program.buffers[i]);
  }
  if (result.buffers.size() == program.buffers.size()) return program;
  renumber_buffers(result, numbers);
  return result;
}

}  // namespace cnnc
