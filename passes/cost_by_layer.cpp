// Whose work it is: from buffers to layers.
#include "passes/core_model.h"
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
  std::map<Var, std::vector<BufferId>> lets;  // the registers that a variable is made of
  const auto registers_in = [&](const Expr& expr) {
    std::vector<BufferId> found;
    walk(expr, [&](const Expr& e) {
      const auto* load = e.as<Load>();
      if (load && is_local(program.buffer(load->buffer))) found.push_back(load->buffer);
      if (const auto* var = e.as<Var>())
        if (const auto let = lets.find(*var); let != lets.end())
          found.insert(found.end(), let->second.begin(), let->second.end());
    });
    return found;
  };
  walk(kernel.body, [&](const Stmt& stmt) {
    if (const auto* let = stmt.as<Let>()) lets[let->var] = registers_in(let->value);
    const auto statement = assignment(stmt);
    if (!statement) return;
    for (const BufferId from : registers_in(statement->value))
      if (from != statement->buffer) sinks.try_emplace(from, program.storage(statement->buffer));
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
  rows.reserve(kernel.layers.size() + 1);
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
