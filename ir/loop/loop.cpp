#include "ir/loop/loop.h"

#include <algorithm>
#include <array>

namespace cnnc {

std::string_view name_of(Memory memory) {
  constexpr std::array<std::string_view, 8> names{"input", "state",  "output", "constant",
                                                  "arena", "thread", "stack",  "register"};
  return names.at(static_cast<std::size_t>(memory));
}

std::string_view name_of(LoopKind kind) {
  constexpr std::array<std::string_view, 4> names{"serial", "parallel", "vector", "unroll"};
  return names.at(static_cast<std::size_t>(kind));
}

std::optional<BufferId> Program::find(std::string_view wanted) const {
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].name == wanted) return static_cast<BufferId>(i);
  return std::nullopt;
}

For with_body(const For& loop, Block body) {
  return {loop.var, loop.begin, loop.end, loop.kind, std::move(body), loop.axis};
}

For over_groups(const Program& program, Var var, Block body) {
  return {std::move(var),   0, program.groups(), LoopKind::serial, std::move(body),
          BatchAxis::groups};
}

For over_samples(const Program& program, Var var, const Var& group, Block body) {
  const Expr begin = Expr(group) * program.group;
  const Expr count = load(program.find("count").value(), ScalarType::i64, {});
  return {std::move(var),   begin,           min(begin + program.group, count),
          LoopKind::serial, std::move(body), BatchAxis::samples};
}

const Var* group_of(const For& loop) {
  if (loop.axis != BatchAxis::samples) return nullptr;
  if (const auto* var = loop.begin.as<Var>()) return var;  // groups of one row
  const auto* product = loop.begin.as<Binary>();
  return product && product->op == BinaryOp::mul ? product->a.as<Var>() : nullptr;
}

std::int64_t Program::groups() const { return group > 0 ? (batch + group - 1) / group : 0; }

std::optional<std::int64_t> constant_extent(const For& loop) {
  // expr == base + offset; an empty base stands for 0.
  struct Offset {
    Expr base;
    std::int64_t offset;
  };
  const auto split = [](const Expr& expr) -> Offset {
    if (const auto value = expr.constant()) return {Expr(), *value};
    const auto* sum = expr.as<Binary>();
    if (sum != nullptr && sum->op == BinaryOp::add)
      if (const auto value = sum->b.constant()) return {sum->a, *value};
    return {expr, 0};
  };
  const auto begin = split(loop.begin);
  const auto end = split(loop.end);
  const bool both = begin.base && end.base;
  std::int64_t extent = 0;
  if (both ? !same(begin.base, end.base) : begin.base || end.base) return std::nullopt;
  if (__builtin_sub_overflow(end.offset, begin.offset, &extent)) return std::nullopt;
  return std::max<std::int64_t>(extent, 0);
}

void walk(const Block& block, const std::function<void(const Stmt&)>& visit) {
  for (const auto& stmt : block) {
    visit(stmt);
    if (const auto* loop = stmt.as<For>()) {
      walk(loop->body, visit);
    } else if (const auto* branch = stmt.as<If>()) {
      walk(branch->then_body, visit);
      walk(branch->else_body, visit);
    }
  }
}

void walk_exprs(const Block& block, const std::function<void(const Expr&)>& visit) {
  struct Visitor {
    const std::function<void(const Expr&)>& visit;
    void all(const std::vector<Expr>& exprs) const {
      for (const auto& expr : exprs) visit(expr);
    }
    void operator()(const For& loop) const { visit(loop.begin), visit(loop.end); }
    void operator()(const Store& store) const { all(store.index), visit(store.value); }
    void operator()(const Accumulate& store) const { all(store.index), visit(store.value); }
    void operator()(const Let& let) const { visit(let.value); }
    void operator()(const Alloc&) const {}
    void operator()(const If& branch) const { visit(branch.condition); }
  };
  walk(block, [&](const Stmt& stmt) { std::visit(Visitor{visit}, stmt.value); });
}

Block map_exprs(const Block& block, const std::function<Expr(const Expr&)>& rewrite) {
  struct Mapper {
    const std::function<Expr(const Expr&)>& rewrite;
    std::vector<Expr> all(const std::vector<Expr>& exprs) const {
      std::vector<Expr> result;
      result.reserve(exprs.size());
      for (const auto& expr : exprs) result.push_back(rewrite(expr));
      return result;
    }
    Stmt operator()(const For& loop) const {
      auto begin = rewrite(loop.begin);
      auto end = rewrite(loop.end);
      For result{
          loop.var, std::move(begin), std::move(end), loop.kind, map_exprs(loop.body, rewrite),
          loop.axis};
      // Of a group that has become a number, the samples are a range like any other.
      if (loop.axis == BatchAxis::samples && !group_of(result)) result.axis = BatchAxis::none;
      return {std::move(result)};
    }
    Stmt operator()(const Store& store) const {
      auto index = all(store.index);
      return {Store{store.buffer, std::move(index), rewrite(store.value)}};
    }
    Stmt operator()(const Accumulate& store) const {
      auto index = all(store.index);
      return {Accumulate{store.op, store.buffer, std::move(index), rewrite(store.value)}};
    }
    Stmt operator()(const Let& let) const { return {Let{let.var, rewrite(let.value)}}; }
    Stmt operator()(const Alloc& alloc) const { return {alloc}; }
    Stmt operator()(const If& branch) const {
      auto condition = rewrite(branch.condition);
      auto then_body = map_exprs(branch.then_body, rewrite);
      return {If{std::move(condition), std::move(then_body), map_exprs(branch.else_body, rewrite)}};
    }
  };
  Block result;
  result.reserve(block.size());
  for (const auto& stmt : block) result.push_back(std::visit(Mapper{rewrite}, stmt.value));
  return result;
}

Block substitute(const Block& block, const Substitution& substitution) {
  return map_exprs(block, [&](const Expr& expr) { return substitute(expr, substitution); });
}

}  // namespace cnnc
