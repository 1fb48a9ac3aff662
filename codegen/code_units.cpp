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

/// Loops of fewer statements are not worth a call,
constexpr std::size_t kPartStatements = 12;
/// unless there are more than this many of one shape in a kernel.
constexpr std::size_t kMostRepeats = 8;

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

struct Loop {
  const For* loop;
  bool is_large;
};

/// Loops in `block` that can be functions, and are not made of several large ones themselves.
std::vector<Loop> possible_parts(const Program& program, const Block& block) {
  std::vector<Loop> found;
  for (const Stmt& stmt : block) {
    const auto* loop = stmt.as<For>();
    if (!loop || loop->kind != LoopKind::serial || !stands_alone(program, *loop)) continue;
    if (statements(loop->body) + 1 < kPartStatements) {
      found.push_back({loop, false});
      continue;
    }
    const auto inner = possible_parts(program, loop->body);
    if (std::ranges::count(inner, true, &Loop::is_large) > 1)
      found.insert(found.end(), inner.begin(), inner.end());
    else
      found.push_back({loop, true});
  }
  return found;
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
      const auto found = possible_parts(program, outer->body);
      std::vector<CodeShape> shapes;
      std::unordered_map<std::string, std::size_t> copies;
      for (const Loop& part : found) {
        shapes.push_back(shape_of(program, {Stmt{*part.loop}}));
        ++copies[shapes.back().text];
      }
      for (std::size_t i = 0; i < found.size(); ++i) {
        if (!found[i].is_large && !(repeat && copies[shapes[i].text] > kMostRepeats)) continue;
        const For* loop = found[i].loop;
        units.push_back({&each, loop, fmt::format("{}.part{}", symbol, units.size() - entry),
                         free_variables(*loop), std::move(shapes[i].buffers),
                         statements(loop->body) + 1});
        units[entry].statements -= units.back().statements;
        if (repeat) parts.find(units.back(), shapes[i].text);
      }
    }
  }
  return units;
}

}  // namespace cnnc
