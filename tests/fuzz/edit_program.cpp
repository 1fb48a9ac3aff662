#include <algorithm>
#include <array>
#include <set>

#include "ir/expr/arithmetic.h"
#include "passes/analysis/nest.h"
#include "tests/fuzz/edit.h"

namespace cnnc::fuzz {

namespace {

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::stack || buffer.memory == Memory::reg;
}

/// A statement, and the variables that are in scope there.
struct Place {
  Block* block;
  std::size_t at;
  std::vector<Var> variables;

  Stmt& stmt() const { return (*block)[at]; }
  auto iterator() const { return block->begin() + static_cast<std::ptrdiff_t>(at); }
};

class ProgramEditor {
 public:
  ProgramEditor(const Program& program, Random& random) : program_(program), random_(random) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) find_places(kernel.body, {});
    const std::size_t kind = below(random_, 16);
    if (kind == 0)
      edit_buffer();
    else if (kind == 1)
      edit_kernels();
    else if (places_.empty())
      return std::move(program_);
    else if (kind < 7)
      edit_statement(any_of<Place>(random_, places_));
    else
      edit_expression(any_of<Place>(random_, places_));
    return std::move(program_);
  }

 private:
  void find_places(Block& block, std::vector<Var> variables) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      places_.push_back({&block, i, variables});
      if (auto* loop = block[i].as<For>()) {
        auto inside = variables;
        inside.push_back(loop->var);
        find_places(loop->body, inside);
      } else if (auto* branch = block[i].as<If>()) {
        find_places(branch->then_body, variables);
        find_places(branch->else_body, variables);
      } else if (const auto* let = block[i].as<Let>()) {
        variables.push_back(let->var);
      }
    }
  }

  // Statements.

  void edit_statement(const Place& place) {
    switch (below(random_, 8)) {
      case 0: place.block->erase(place.iterator()); return;
      case 1: return repeat(place);
      case 2:
        if (place.at + 1 < place.block->size())
          std::swap(place.stmt(), (*place.block)[place.at + 1]);
        return;
      case 3: return guard(place);
      case 4: return change_kind(place);
      case 5: return divide(place);
      case 6: return unwrap(place);
      case 7: return exchange(place);
    }
  }

  void repeat(const Place& place) {
    Block copy = with_fresh_lets({place.stmt()});
    place.block->insert(place.iterator(), std::move(copy.front()));
  }

  /// if condition { statement }, sometimes with the statement in both branches.
  void guard(const Place& place) {
    const Stmt stmt = place.stmt();
    If branch{condition(place), {stmt}, {}};
    if (below(random_, 4) == 0) branch.else_body = with_fresh_lets({stmt});
    if (below(random_, 4) == 0) std::swap(branch.then_body, branch.else_body);
    place.stmt() = {std::move(branch)};
  }

  Expr condition(const Place& place) {
    const Expr value = integer(place);
    const Expr bound(static_cast<std::int64_t>(below(random_, 5)));
    switch (below(random_, 4)) {
      case 0: return value < bound;
      case 1: return bound < value;
      case 2: return equal(value % (bound + 1), 0);
      default: return binary(BinaryOp::not_equal, value, bound);
    }
  }

  Expr integer(const Place& place) {
    std::vector<Expr> all{1};
    for (const Var& var : place.variables)
      if (var->type == ScalarType::i64) all.emplace_back(var);
    return all[all.size() - 1 - below(random_, all.size())];
  }

  void change_kind(const Place& place) {
    if (auto* loop = place.stmt().as<For>()) {
      constexpr std::array kKinds{LoopKind::serial, LoopKind::vector, LoopKind::unroll,
                                  LoopKind::parallel};
      loop->kind = any_of<LoopKind>(random_, kKinds);
    } else if (auto* store = place.stmt().as<Store>()) {
      place.stmt() = {Accumulate{Reduction::add, store->buffer, store->index, store->value}};
    } else if (auto* sum = place.stmt().as<Accumulate>()) {
      constexpr std::array kOps{Reduction::add, Reduction::max, Reduction::min};
      if (below(random_, 2) == 0)
        sum->op = any_of<Reduction>(random_, kOps);
      else
        place.stmt() = {Store{sum->buffer, sum->index, sum->value}};
    } else if (auto* branch = place.stmt().as<If>()) {
      std::swap(branch->then_body, branch->else_body);
    }
  }

  /// Two loops of one: over the first iterations, and over the others; or over the statements of
  /// its body apart.
  void divide(const Place& place) {
    auto* loop = place.stmt().as<For>();
    if (!loop) return;
    For second{make_var(loop->var->name), loop->begin, loop->end, loop->kind, {}};
    Block rest;
    if (below(random_, 2) == 0) {
      const Expr middle = loop->begin + static_cast<std::int64_t>(1 + below(random_, 3));
      rest = with_fresh_lets(loop->body);
      second.begin = loop->end = middle;
    } else {
      if (loop->body.size() < 2) return;
      const auto half = loop->body.begin() +
                        static_cast<std::ptrdiff_t>(1 + below(random_, loop->body.size() - 1));
      rest.assign(half, loop->body.end());
      loop->body.erase(half, loop->body.end());
    }
    second.body = substitute(rest, {{loop->var, Expr(second.var)}});
    place.block->insert(place.iterator() + 1, Stmt{std::move(second)});
  }

  /// The body of a loop, for one value of its variable; the branch of a condition.
  void unwrap(const Place& place) {
    Block body;
    if (const auto* loop = place.stmt().as<For>())
      body = substitute(loop->body, {{loop->var, loop->begin}});
    else if (const auto* branch = place.stmt().as<If>())
      body = branch->then_body;
    else
      return;
    place.block->erase(place.iterator());
    place.block->insert(place.iterator(), body.begin(), body.end());
  }

  /// A nest's outer loops in the other order.
  static void exchange(const Place& place) {
    auto* outer = place.stmt().as<For>();
    auto* inner = outer && outer->body.size() == 1 ? outer->body.front().as<For>() : nullptr;
    if (!inner) return;
    std::swap(outer->var, inner->var);
    std::swap(outer->begin, inner->begin);
    std::swap(outer->end, inner->end);
    std::swap(outer->kind, inner->kind);
  }

  // Expressions.

  static std::vector<Expr*> expressions(Stmt& stmt) {
    std::vector<Expr*> all;
    if (auto* loop = stmt.as<For>()) all = {&loop->begin, &loop->end};
    if (auto* let = stmt.as<Let>()) all = {&let->value};
    if (auto* branch = stmt.as<If>()) all = {&branch->condition};
    const auto add = [&](auto* store) {
      if (!store) return;
      for (Expr& index : store->index) all.push_back(&index);
      all.push_back(&store->value);
    };
    add(stmt.as<Store>());
    add(stmt.as<Accumulate>());
    return all;
  }

  void edit_expression(const Place& place) {
    const auto tops = expressions(place.stmt());
    if (tops.empty()) return;
    if (below(random_, 8) == 0) return change_target(place.stmt());
    Expr& top = *any_of<Expr*>(random_, tops);
    std::vector<Expr> parts;
    walk(top, [&](const Expr& e) { parts.push_back(e); });
    const Expr chosen = any_of<Expr>(random_, parts);
    const Expr other = changed(chosen, place);
    if (!other || other.type() != chosen.type()) return;
    top =
        transform(top, [&](const Expr& e) { return &e.node() == &chosen.node() ? other : Expr(); });
  }

  /// Another buffer, or indices in another order.
  void change_target(Stmt& stmt) {
    const auto change = [&](auto* store) {
      if (!store) return;
      if (store->index.size() > 1 && below(random_, 2) == 0)
        std::swap(store->index.front(), store->index[below(random_, store->index.size())]);
      else
        store->buffer = like(store->buffer);
    };
    change(stmt.as<Store>());
    change(stmt.as<Accumulate>());
  }

  /// A buffer of the same rank and element type.
  BufferId like(BufferId id) {
    std::vector<BufferId> all;
    const TensorType& type = program_.buffer(id).type;
    for (BufferId other = 0; other < static_cast<BufferId>(program_.buffers.size()); ++other)
      if (program_.buffer(other).type.scalar == type.scalar &&
          program_.buffer(other).type.dims.size() == type.dims.size() &&
          (is_local(program_.buffer(other)) == is_local(program_.buffer(id)) ||
           !is_local(program_.buffer(other))))
        all.push_back(other);
    return any_of<BufferId>(random_, all);
  }

  Expr changed(const Expr& e, const Place& place) {
    if (below(random_, 5) == 0) return wrapped(e, place);
    if (e.as<Const>()) {
      if (is_float(e.type())) return constant(e.type(), other_number(random_, e.as<Const>()->real));
      if (e.type() == ScalarType::boolean) return integer_constant(e.type(), 1 - *e.constant());
      return integer_constant(e.type(),
                              wrap(e.type(), other_number(random_, e.as<Const>()->integer)));
    }
    if (const auto* var = e.as<Var>()) {
      std::vector<Expr> others;
      for (const Var& other : place.variables)
        if (other != *var && other->type == (*var)->type) others.emplace_back(other);
      return others.empty() ? Expr() : any_of<Expr>(random_, others);
    }
    if (const auto* l = e.as<Load>()) {
      std::vector<Expr> index = l->index;
      if (index.size() > 1 && below(random_, 3) == 0)
        std::swap(index.front(), index[below(random_, index.size())]);
      return load(like(l->buffer), e.type(), std::move(index));
    }
    if (const auto* b = e.as<Binary>()) return changed(*b, e.type());
    if (const auto* s = e.as<Select>())
      return below(random_, 2) == 0 ? select(s->condition, s->b, s->a) : s->a;
    if (const auto* f = e.as<Fma>()) return fma(f->c, f->b, f->a);
    if (const auto* u = e.as<Unary>()) return u->x;
    return {};
  }

  Expr changed(const Binary& b, ScalarType type) {
    const std::size_t kind = below(random_, 5);
    if (kind == 0) return binary(b.op, b.b, b.a);
    if (kind == 1) return b.a.type() == type ? b.a : Expr();
    const auto op = static_cast<BinaryOp>(below(random_, 16));
    if (!accepts(op, b.a.type()) || is_comparison(op) != is_comparison(b.op)) return {};
    return binary(op, b.a, b.b);
  }

  Expr wrapped(const Expr& e, const Place& place) {
    const auto number = static_cast<std::int64_t>(1 + below(random_, 4));
    if (e.type() == ScalarType::boolean) return unary(UnaryOp::logical_not, e);
    if (e.type() == ScalarType::i64) {
      switch (below(random_, 6)) {
        case 0: return e + 1;
        case 1: return e - 1;
        case 2: return min(e, number);
        case 3: return e / number;
        case 4: return e % number;
        default: return select(condition(place), e, Expr(0));
      }
    }
    if (below(random_, 3) == 0) return select(condition(place), e, constant(e.type(), 0));
    return below(random_, 2) == 0 ? e + e : -e;
  }

  // Buffers and kernels.

  void edit_buffer() {
    if (program_.buffers.empty()) return;
    Buffer& buffer = program_.buffers[below(random_, program_.buffers.size())];
    if (buffer.memory == Memory::constant) return;
    constexpr std::array kMemories{Memory::input, Memory::state,  Memory::output,
                                   Memory::arena, Memory::thread, Memory::stack};
    switch (below(random_, 4)) {
      case 0: buffer.type = other_type(random_, buffer.type, false); return;
      case 1:
        if (buffer.view_of) {
          buffer.view_of.reset();
          return;
        }
        [[fallthrough]];
      case 2:
        if (is_local(buffer))
          buffer.memory = buffer.memory == Memory::reg ? Memory::stack : Memory::reg;
        else
          buffer.memory = any_of<Memory>(random_, kMemories);
        return;
      default:  // a view of any other buffer of its size
        for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
          const Buffer& other = program_.buffers[i];
          if (&other == &buffer || other.view_of || is_local(other) || is_local(buffer) ||
              other.type.scalar != buffer.type.scalar ||
              element_count(other.type.dims, 1) != element_count(buffer.type.dims, 1))
            continue;
          buffer.view_of = static_cast<BufferId>(i);
          buffer.memory = other.memory;
          if (below(random_, 2) == 0) return;
        }
    }
  }

  void edit_kernels() {
    auto& kernels = program_.kernels;
    if (kernels.empty()) return;
    const std::size_t at = below(random_, kernels.size());
    const auto place = kernels.begin() + static_cast<std::ptrdiff_t>(at);
    if (below(random_, 3) == 0) {
      kernels.erase(place);
    } else if (at + 1 == kernels.size()) {
      Kernel copy = kernels[at];
      copy.name += ".again";
      kernels.push_back(std::move(copy));
    } else if (below(random_, 2) == 0) {
      std::swap(kernels[at], kernels[at + 1]);
    } else {
      const Block next = std::move(kernels[at + 1].body);
      kernels.erase(place + 1);
      kernels[at].body.insert(kernels[at].body.end(), next.begin(), next.end());
    }
  }

  Program program_;
  Random& random_;
  std::vector<Place> places_;
};

/// `block` with other buffers.
Block with_buffers(const Block& block, const std::vector<BufferId>& ids) {
  Block result = map_exprs(block, [&](const Expr& top) {
    return transform(top, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      return l ? load(ids.at(static_cast<std::size_t>(l->buffer)), e.type(), l->index) : Expr();
    });
  });
  const std::function<void(Block&)> visit = [&](Block& each) {
    for (Stmt& stmt : each) {
      const auto rename = [&](auto* node) {
        if (node) node->buffer = ids.at(static_cast<std::size_t>(node->buffer));
      };
      rename(stmt.as<Store>());
      rename(stmt.as<Accumulate>());
      rename(stmt.as<Alloc>());
      if (auto* loop = stmt.as<For>()) visit(loop->body);
      if (auto* branch = stmt.as<If>()) {
        visit(branch->then_body);
        visit(branch->else_body);
      }
    }
  };
  visit(result);
  return result;
}

}  // namespace

Program edited(const Program& program, Random& random) {
  return ProgramEditor(program, random).run();
}

Program spliced(const Program& program, const Program& other, Random& random) {
  Program result = program;
  std::vector<BufferId> ids;
  for (const Buffer& buffer : other.buffers) {
    const auto known = result.find(buffer.name);
    if (known && !is_local(buffer) && result.buffer(*known).type == buffer.type) {
      ids.push_back(*known);
      continue;
    }
    ids.push_back(static_cast<BufferId>(result.buffers.size()));
    result.buffers.push_back(buffer);
    if (known) result.buffers.back().name += ".other";
  }
  for (std::size_t i = 0; i < other.buffers.size(); ++i)
    if (const auto of = other.buffers[i].view_of)
      result.buffers[static_cast<std::size_t>(ids[i])].view_of =
          ids.at(static_cast<std::size_t>(*of));
  std::set<std::string> names;
  for (const Kernel& kernel : result.kernels) names.insert(kernel.name);
  for (const Kernel& kernel : other.kernels) {
    if (below(random, 2) == 0) continue;
    Kernel copy = kernel;
    copy.body = with_buffers(kernel.body, ids);
    while (!names.insert(copy.name).second) copy.name += "x";
    result.kernels.push_back(std::move(copy));
  }
  return result;
}

}  // namespace cnnc::fuzz
