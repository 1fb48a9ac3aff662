#include "codegen/code_units.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "codegen/code_shape.h"

namespace cnnc {

namespace {

std::size_t statements(const Block& block) {
  std::size_t count = 0;
  walk(block, [&](const Stmt&) { ++count; });
  return count;
}

/// Loops of fewer statements are not worth a call.
constexpr std::size_t kPartStatements = 12;

/// The variables that a loop uses and does not bind, in the order of their first use.
std::vector<Var> free_variables(const For& loop) {
  std::set<Var> bound;
  std::vector<Var> free;
  const Block whole{Stmt{loop}};
  walk(whole, [&](const Stmt& stmt) {
    if (const auto* inner = stmt.as<For>()) bound.insert(inner->var);
    if (const auto* let = stmt.as<Let>()) bound.insert(let->var);
  });
  walk_exprs(whole, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      const auto* var = e.as<Var>();
      if (var && !bound.contains(*var) && std::find(free.begin(), free.end(), *var) == free.end())
        free.push_back(*var);
    });
  });
  return free;
}

/// Whether `loop` can be a function: what it takes from its surroundings are integers, not
/// registers.
bool stands_alone(const Program& program, const For& loop) {
  std::set<BufferId> own;
  const Block whole{Stmt{loop}};
  walk(whole, [&](const Stmt& stmt) {
    if (const auto* alloc = stmt.as<Alloc>()) own.insert(alloc->buffer);
  });
  bool alone = true;
  const auto check = [&](BufferId buffer) {
    const Memory memory = program.buffer(buffer).memory;
    if (memory == Memory::reg || memory == Memory::stack) alone &= own.contains(buffer);
  };
  walk(whole, [&](const Stmt& stmt) {
    if (const auto* store = stmt.as<Store>()) check(store->buffer);
    if (const auto* accumulate = stmt.as<Accumulate>()) check(accumulate->buffer);
  });
  walk_exprs(whole, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      if (const auto* load = e.as<Load>()) check(load->buffer);
    });
  });
  const auto variables = free_variables(loop);
  return alone && std::all_of(variables.begin(), variables.end(),
                              [](const Var& v) { return v->type == ScalarType::i64; });
}

/// Loops in `block` that are large and not made of several such loops themselves.
std::vector<const For*> large_loops(const Program& program, const Block& block) {
  std::vector<const For*> large;
  for (const Stmt& stmt : block) {
    const auto* loop = stmt.as<For>();
    if (!loop || loop->kind != LoopKind::serial || statements({stmt}) < kPartStatements ||
        !stands_alone(program, *loop))
      continue;
    const auto inner = large_loops(program, loop->body);
    if (inner.size() > 1)
      large.insert(large.end(), inner.begin(), inner.end());
    else
      large.push_back(loop);
  }
  return large;
}

/// What has been seen of shapes, and which unit was the first of each.
class FirstUnits {
 public:
  void find(CodeUnit& unit, std::string shape) {
    const auto [first, fresh] = symbols_.try_emplace(std::move(shape), unit.symbol);
    unit.symbol = first->second;
    unit.is_repeated = !fresh;
  }

 private:
  std::unordered_map<std::string, std::string> symbols_;
};

}  // namespace

std::vector<CodeUnit> code_units(const Program& program, bool repeat, const std::string& kernel) {
  std::vector<CodeUnit> units;
  FirstUnits entries, parts;
  for (const Kernel& each : program.kernels) {
    if (!kernel.empty() && each.name != kernel) continue;
    const std::string symbol = "cnnc." + each.name;
    CodeShape whole = shape_of(program, each.body);
    const std::size_t entry = units.size();
    units.push_back({&each, nullptr, symbol, {}, std::move(whole.buffers), statements(each.body)});
    if (repeat) entries.find(units[entry], std::move(whole.text));
    if (units[entry].is_repeated) continue;
    for (const Stmt& stmt : each.body) {
      const auto* outer = stmt.as<For>();
      if (!outer || outer->kind != LoopKind::parallel) continue;
      for (const For* loop : large_loops(program, outer->body)) {
        CodeShape shape = shape_of(program, {Stmt{*loop}});
        units.push_back({&each, loop, fmt::format("{}.part{}", symbol, units.size() - entry),
                         free_variables(*loop), std::move(shape.buffers),
                         statements(loop->body) + 1});
        units[entry].statements -= units.back().statements;
        if (repeat) parts.find(units.back(), std::move(shape.text));
      }
    }
  }
  return units;
}

}  // namespace cnnc
