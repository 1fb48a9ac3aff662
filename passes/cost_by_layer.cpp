// Whose work it is: from buffers to layers.
#include "passes/cost.h"

namespace cnnc {

namespace {

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::reg || buffer.memory == Memory::stack;
}

}  // namespace

void follow_registers(const Program& program, const Kernel& kernel,
                      std::map<BufferId, Work>& work) {
  std::map<BufferId, BufferId> sinks;
  walk(kernel.body, [&](const Stmt& stmt) {
    const auto* store = stmt.as<Store>();
    const auto* add = stmt.as<Accumulate>();
    if (!store && !add) return;
    const BufferId to = store ? store->buffer : add->buffer;
    walk(store ? store->value : add->value, [&](const Expr& e) {
      const auto* load = e.as<Load>();
      if (load && load->buffer != to && is_local(program.buffer(load->buffer)))
        sinks.try_emplace(load->buffer, program.storage(to));
    });
  });
  for (const auto& [from, to] : sinks) {
    const auto moved = work.extract(from);
    if (!moved) continue;
    BufferId last = to;
    for (std::size_t i = 0; i < sinks.size() && sinks.contains(last); ++i) last = sinks.at(last);
    work[last].flops += moved.mapped().flops;
    work[last].cycles += moved.mapped().cycles;
  }
}

std::vector<std::pair<std::string, Work>> by_layer(const Program& program, const Kernel& kernel,
                                                   const KernelCost& cost) {
  std::vector<std::pair<std::string, Work>> rows;
  for (const std::string& layer : kernel.layers) rows.emplace_back(layer, Work{});
  rows.emplace_back("", Work{});
  for (const auto& [buffer, work] : cost.by_result) {
    const std::string& name = program.buffer(buffer).name;
    auto* row = &rows.back();
    for (auto& candidate : rows) {
      const bool fits = !candidate.first.empty() && name.starts_with(candidate.first + ".");
      if (fits && candidate.first.size() > row->first.size()) row = &candidate;
    }
    row->second.flops += work.flops;
    row->second.cycles += work.cycles;
  }
  return rows;
}

}  // namespace cnnc
