// privatize:
//   padded : f32[128,16,16,32] arena
//   for g { for n in g*16 .. { padded[n,y,x,c] = ...; ... padded[n,y+1,x,c] } }
//     ->
//   padded : f32[1,16,16,32] thread
//   for g { for n in g*16 .. { padded[0,y,x,c] = ...; ... padded[0,y+1,x,c] } }
// A buffer that passes from one sample loop of a group to the next keeps those of a group,
// indexed n - g*16.
#include "passes/fuse/privatize.h"

#include <map>
#include <set>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Where a buffer is used: the one kernel, and whether within one statement of its group loop's
/// body.
struct Usage {
  std::set<std::size_t> kernels;
  std::set<std::size_t> statements;  // of the group loop's body
  bool in_sample_loop = true;        // each is a loop over samples, whose sample alone is meant
  bool by_sample = true;             // every first index is a sample variable of the group
};

std::map<BufferId, Usage> usages(const Program& program) {
  std::map<BufferId, Usage> result;
  for (std::size_t k = 0; k < program.kernels.size(); ++k) {
    const For* group = group_loop(program.kernels[k]);
    if (!group) {
      for (const BufferAccess& access : accesses(program.kernels[k].body)) {
        auto& usage = result[program.storage(access.buffer)];
        usage.kernels.insert(k);
        usage.by_sample = false;
      }
      continue;
    }
    for (std::size_t s = 0; s < group->body.size(); ++s) {
      const auto samples = sample_variables({group->body[s]});
      const auto* outer = group->body[s].as<For>();
      const bool in_sample_loop = outer && outer->axis == BatchAxis::samples;
      for (const BufferAccess& access : accesses({group->body[s]})) {
        auto& usage = result[program.storage(access.buffer)];
        usage.kernels.insert(k);
        usage.statements.insert(s);
        const auto* first = access.index.empty() ? nullptr : access.index.front().as<Var>();
        usage.by_sample &=
            first && samples.contains(*first) && has_own_rows(program, access.buffer);
        usage.in_sample_loop &= in_sample_loop && first && *first == outer->var;
      }
    }
  }
  return result;
}

}  // namespace

Program privatize(const Program& program, const PassContext&) {
  Program result = program;
  std::map<BufferId, bool> local;  // storage -> keeps a whole group
  for (const auto& [id, usage] : usages(program)) {
    if (program.buffer(id).memory != Memory::arena || usage.kernels.size() != 1 || !usage.by_sample)
      continue;
    local[id] = usage.statements.size() > 1 || !usage.in_sample_loop;
  }
  for (BufferId id = 0; id < static_cast<BufferId>(result.buffers.size()); ++id) {
    const auto found = local.find(program.storage(id));
    if (found == local.end()) continue;
    auto& buffer = result.buffers[static_cast<std::size_t>(id)];
    buffer.memory = Memory::thread;
    buffer.type.dims.front() = found->second ? program.group : 1;
  }
  for (Kernel& kernel : result.kernels) {
    const For* group = group_loop(kernel);
    if (!group) continue;
    kernel.body = map_indices(kernel.body, [&](BufferId buffer, std::vector<Expr> index) {
      const auto found = local.find(program.storage(buffer));
      if (found != local.end())
        index.front() = found->second ? index.front() - Expr(group->var) * program.group : Expr(0);
      return index;
    });
  }
  return result;
}

}  // namespace cnnc
