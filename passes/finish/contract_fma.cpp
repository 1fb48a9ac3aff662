// Contracts products into fused multiply-adds, so that the interpreter rounds where the machine
// does. Before:
//
//   let t : f32 = a * b - c
//   y[i] += x[i] * w[i]
//
// after:
//
//   let t : f32 = fma(a, b, -c)
//   y[i] = fma(x[i], w[i], y[i])
#include "passes/finish/contract_fma.h"

#include <optional>
#include <utility>

namespace cnnc {
namespace {

struct Product {
  Expr a, b;
};

// The factors, where expr is a floating-point product or the negation of one.
std::optional<Product> as_product(const Expr& expr) {
  if (!is_float(expr.type())) return std::nullopt;
  if (const auto* node = expr.as<Binary>(); node != nullptr && node->op == BinaryOp::mul)
    return Product{node->a, node->b};
  if (const auto* node = expr.as<Unary>(); node != nullptr && node->op == UnaryOp::neg)
    if (const auto inner = as_product(node->x)) return Product{-inner->a, inner->b};
  return std::nullopt;
}

// Of a sum of two products the left one is fused: which it is must not depend on anything but the
// text.
Expr contract_node(const Expr& expr) {
  const auto* node = expr.as<Binary>();
  if (node == nullptr || !is_float(expr.type()) ||
      (node->op != BinaryOp::add && node->op != BinaryOp::sub))
    return {};
  const bool subtracts = node->op == BinaryOp::sub;
  if (const auto left = as_product(node->a))
    return fma(left->a, left->b, subtracts ? -node->b : node->b);
  if (const auto right = as_product(node->b))
    return fma(subtracts ? -right->a : right->a, right->b, node->a);
  return {};
}

Block contract_accumulations(const Block& block) {
  Block result;
  result.reserve(block.size());
  for (const auto& stmt : block) {
    if (const auto* loop = stmt.as<For>()) {
      result.push_back({with_body(*loop, contract_accumulations(loop->body))});
      continue;
    }
    if (const auto* branch = stmt.as<If>()) {
      result.push_back({If{branch->condition, contract_accumulations(branch->then_body),
                           contract_accumulations(branch->else_body)}});
      continue;
    }
    const auto* sum = stmt.as<Accumulate>();
    const auto product =
        sum != nullptr && sum->op == Reduction::add ? as_product(sum->value) : std::nullopt;
    if (product)
      result.push_back(
          {Store{sum->buffer, sum->index,
                 fma(product->a, product->b, load(sum->buffer, sum->value.type(), sum->index))}});
    else
      result.push_back(stmt);
  }
  return result;
}

}  // namespace

Program contract_fma(const Program& program, const PassContext& context) {
  if (!context.target.fma) return program;
  Program result = program;
  for (auto& kernel : result.kernels)
    kernel.body = contract_accumulations(
        map_exprs(kernel.body, [](const Expr& expr) { return transform(expr, contract_node); }));
  return result;
}

}  // namespace cnnc
