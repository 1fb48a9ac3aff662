// Whose work it is: from buffers to layers.
#include "passes/cost/core_model.h"
#include "passes/cost/kernel_cost.h"

namespace cnnc {

namespace {

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::reg || buffer.memory == Memory::stack;
}

Work& operator+=(Work& sum, const Work& more) {
  sum.flops += more.flops;
  sum.cycles += more.cycles;
  return sum;
}

/// Adds the work for sums in registers to that of the memory which the sums are stored to.
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
    work[last] += moved.mapped();
  }
}

/// `part` more, where `sum` is of all parts: as much as keeps its share of `all`.
double scaled(double part, double sum, double all) { return sum > 0 ? part * (all / sum) : part; }

}  // namespace

void attribute_all(const Program& program, const Kernel& kernel, KernelCost& cost) {
  follow_registers(program, kernel, cost.by_result);
  std::erase_if(cost.by_result,
                [&](const auto& each) { return is_local(program.buffer(each.first)); });
  Work sum;
  for (const auto& [buffer, work] : cost.by_result) sum += work;
  for (auto& [buffer, work] : cost.by_result) {
    work.flops = scaled(work.flops, sum.flops, cost.work.flops);
    work.cycles = scaled(work.cycles, sum.cycles, cost.work.cycles);
  }
}

std::vector<std::pair<std::string, Work>> by_layer(const Program& program, const Kernel& kernel,
                                                   const KernelCost& cost) {
  std::vector<std::pair<std::string, Work>> rows;
  for (const std::string& layer : kernel.layers) rows.emplace_back(layer, Work{});
  Work rest, named;
  for (const auto& [buffer, work] : cost.by_result) {
    const std::string& name = program.buffer(buffer).name;
    std::pair<std::string, Work>* row = nullptr;
    for (auto& candidate : rows) {
      const bool fits = name.starts_with(candidate.first + ".");
      if (fits && (!row || candidate.first.size() > row->first.size())) row = &candidate;
    }
    (row ? row->second : rest) += work;
    if (row) named += work;
  }
  // What is named after no layer, as the model's output is, was made by those that nothing else is
  // named after; where there are none, by all.
  std::vector<Work*> makers;
  for (auto& [layer, work] : rows)
    if (work.cycles == 0 && work.flops == 0) makers.push_back(&work);
  for (Work* maker : makers) {
    maker->flops = rest.flops / static_cast<double>(makers.size());
    maker->cycles = rest.cycles / static_cast<double>(makers.size());
  }
  if (!makers.empty()) return rows;
  for (auto& [layer, work] : rows) {
    work.flops = scaled(work.flops, named.flops, named.flops + rest.flops);
    work.cycles = scaled(work.cycles, named.cycles, named.cycles + rest.cycles);
  }
  return rows;
}

}  // namespace cnnc
