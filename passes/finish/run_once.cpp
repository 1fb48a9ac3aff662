// run_once:
//   kernel scaled { for i { s[i] = weight[i] * scale[i] } }          kernel scaled once { ... }
//   kernel conv { ... x[n, y, x] * s[i] ... }                   ->   kernel conv { ... }
#include "passes/finish/run_once.h"

#include <algorithm>
#include <set>

#include "passes/analysis/nest.h"

namespace cnnc {

Program run_once(const Program& program, const PassContext&) {
  Program result = program;
  std::set<BufferId> lasting;  // buffers that keep their values from call to call
  for (BufferId id = 0; id < static_cast<BufferId>(program.buffers.size()); ++id) {
    const Memory memory = program.buffer(id).memory;
    if (memory == Memory::state || memory == Memory::constant) lasting.insert(program.storage(id));
  }
  for (const Kernel& kernel : program.kernels)
    for (const BufferAccess& access : accesses(kernel.body))
      if (access.write && program.buffer(program.storage(access.buffer)).memory == Memory::state)
        return result;
  for (Kernel& kernel : result.kernels) {
    const auto all = accesses(kernel.body);
    std::set<BufferId> written;
    bool once = true;
    for (const BufferAccess& access : all) {
      const BufferId id = program.storage(access.buffer);
      const Memory memory = program.buffer(id).memory;
      if (memory == Memory::reg || memory == Memory::stack) continue;
      if (access.write) {
        written.insert(id);
        once &= memory == Memory::arena;
      }
    }
    for (const BufferAccess& access : all) {
      const BufferId id = program.storage(access.buffer);
      const Memory memory = program.buffer(id).memory;
      once &= memory == Memory::reg || memory == Memory::stack || lasting.contains(id) ||
              written.contains(id);
    }
    kernel.once = once;
    if (once) lasting.insert(written.begin(), written.end());
  }
  return result;
}

}  // namespace cnnc
