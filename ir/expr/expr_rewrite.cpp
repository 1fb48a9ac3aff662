// Walking and rebuilding expressions. Rebuilding goes through the builders, so constants fold; what
// does not change keeps its node.
#include <cstring>

#include "ir/base/diagnostic.h"
#include "ir/expr/expr.h"

namespace cnnc {
namespace {

bool changed(const Expr& before, const Expr& after) { return &before.node() != &after.node(); }

// `expr` with f applied to its operands.
template <class F>
Expr map_operands(const Expr& expr, F&& f) {
  struct Mapper {
    const Expr& expr;
    F& f;
    Expr operator()(const Const&) { return expr; }
    Expr operator()(const Var&) { return expr; }
    Expr operator()(const Load& node) {
      for (std::size_t i = 0; i < node.index.size(); ++i) {
        auto mapped = f(node.index[i]);
        if (!changed(node.index[i], mapped)) continue;
        auto index = node.index;
        index[i] = std::move(mapped);
        for (++i; i < index.size(); ++i) index[i] = f(index[i]);
        return load(node.buffer, expr.type(), std::move(index));
      }
      return expr;
    }
    Expr operator()(const Unary& node) {
      auto x = f(node.x);
      return changed(node.x, x) ? unary(node.op, std::move(x)) : expr;
    }
    Expr operator()(const Binary& node) {
      auto a = f(node.a);
      auto b = f(node.b);
      if (!changed(node.a, a) && !changed(node.b, b)) return expr;
      return binary(node.op, std::move(a), std::move(b));
    }
    Expr operator()(const Fma& node) {
      auto a = f(node.a);
      auto b = f(node.b);
      auto c = f(node.c);
      if (!changed(node.a, a) && !changed(node.b, b) && !changed(node.c, c)) return expr;
      return fma(std::move(a), std::move(b), std::move(c));
    }
    Expr operator()(const Select& node) {
      auto condition = f(node.condition);
      auto a = f(node.a);
      auto b = f(node.b);
      if (!changed(node.condition, condition) && !changed(node.a, a) && !changed(node.b, b))
        return expr;
      return select(std::move(condition), std::move(a), std::move(b));
    }
    Expr operator()(const Cast& node) {
      auto x = f(node.x);
      if (!changed(node.x, x)) return expr;
      return node.bits ? bit_cast_expr(expr.type(), std::move(x)) : cast(expr.type(), std::move(x));
    }
  };
  return std::visit(Mapper{expr, f}, expr.node().value);
}

using Renaming = std::unordered_map<Var, Var>;

bool same_all(const std::vector<Expr>& a, const std::vector<Expr>& b, const Renaming& renaming) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i], renaming)) return false;
  return true;
}

// Compares two nodes of one kind.
struct SameNode {
  const Renaming& renaming;

  // Floats by their bits, so that -0.0 differs from 0.0 and NaN equals itself.
  bool operator()(const Const& a, const Const& b) const {
    return a.integer == b.integer && std::memcmp(&a.real, &b.real, sizeof a.real) == 0;
  }
  bool operator()(const Var& a, const Var& b) const {
    const auto found = renaming.find(a);
    return (found == renaming.end() ? a : found->second) == b;
  }
  bool operator()(const Load& a, const Load& b) const {
    return a.buffer == b.buffer && same_all(a.index, b.index, renaming);
  }
  bool operator()(const Unary& a, const Unary& b) const {
    return a.op == b.op && same(a.x, b.x, renaming);
  }
  bool operator()(const Binary& a, const Binary& b) const {
    return a.op == b.op && same(a.a, b.a, renaming) && same(a.b, b.b, renaming);
  }
  bool operator()(const Fma& a, const Fma& b) const {
    return same(a.a, b.a, renaming) && same(a.b, b.b, renaming) && same(a.c, b.c, renaming);
  }
  bool operator()(const Select& a, const Select& b) const {
    return same(a.condition, b.condition, renaming) && same(a.a, b.a, renaming) &&
           same(a.b, b.b, renaming);
  }
  bool operator()(const Cast& a, const Cast& b) const {
    return a.bits == b.bits && same(a.x, b.x, renaming);
  }
  template <class A, class B>
  bool operator()(const A&, const B&) const {
    return false;
  }
};

std::optional<std::int64_t> combine(BinaryOp op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  const bool overflow = op == BinaryOp::add   ? __builtin_add_overflow(a, b, &result)
                        : op == BinaryOp::sub ? __builtin_sub_overflow(a, b, &result)
                                              : __builtin_mul_overflow(a, b, &result);
  if (overflow) return std::nullopt;
  return result;
}

std::optional<std::int64_t> stride_of_product(const Binary& product, const Var& var) {
  const auto left = product.a.constant();
  const auto right = product.b.constant();
  if (!left && !right) return std::nullopt;
  const auto stride = stride_in(left ? product.b : product.a, var);
  return stride ? combine(BinaryOp::mul, *stride, left ? *left : *right) : std::nullopt;
}

}  // namespace

Expr substitute(const Expr& expr, const Substitution& substitution) {
  if (const auto* var = expr.as<Var>()) {
    const auto found = substitution.find(*var);
    return found == substitution.end() ? expr : found->second;
  }
  if (expr.as<Const>() != nullptr || substitution.empty()) return expr;
  return map_operands(expr, [&](const Expr& x) { return substitute(x, substitution); });
}

std::vector<Expr> substitute(std::vector<Expr> exprs, const Substitution& substitution) {
  for (Expr& expr : exprs) expr = substitute(expr, substitution);
  return exprs;
}

Expr transform(const Expr& expr, const std::function<Expr(const Expr&)>& rewrite) {
  auto rebuilt = map_operands(expr, [&](const Expr& x) { return transform(x, rewrite); });
  auto replacement = rewrite(rebuilt);
  return replacement ? replacement : rebuilt;
}

void walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  any_operand(expr, [&](const Expr& x) { return walk(x, visit), false; });
}

bool depends_on(const Expr& expr, const Var& var) {
  if (const auto* used = expr.as<Var>()) return *used == var;
  return any_operand(expr, [&](const Expr& x) { return depends_on(x, var); });
}

bool same(const Expr& a, const Expr& b, const std::unordered_map<Var, Var>& renaming) {
  if (&a.node() == &b.node() && renaming.empty()) return true;
  return a.type() == b.type() && std::visit(SameNode{renaming}, a.node().value, b.node().value);
}

std::optional<std::int64_t> stride_in(const Expr& expr, const Var& var) {
  if (const auto* used = expr.as<Var>()) return *used == var ? 1 : 0;
  if (expr.as<Const>() != nullptr) return 0;
  if (const auto* node = expr.as<Unary>(); node != nullptr && node->op == UnaryOp::neg) {
    const auto stride = stride_in(node->x, var);
    return stride ? combine(BinaryOp::sub, 0, *stride) : std::nullopt;
  }
  const auto* node = expr.as<Binary>();
  if (node != nullptr && (node->op == BinaryOp::add || node->op == BinaryOp::sub)) {
    const auto a = stride_in(node->a, var);
    const auto b = stride_in(node->b, var);
    return a && b ? combine(node->op, *a, *b) : std::nullopt;
  }
  if (node != nullptr && node->op == BinaryOp::mul) {
    if (const auto stride = stride_of_product(*node, var)) return stride;
  }
  return depends_on(expr, var) ? std::nullopt : std::optional<std::int64_t>(0);
}

}  // namespace cnnc
