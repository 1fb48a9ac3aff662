#include "passes/cost/expression_cost.h"

namespace cnnc {

int expression_cost(const Expr& expr) {
  int total = 0;
  walk(expr, [&](const Expr& e) {
    if (const auto* u = e.as<Unary>()) {
      const bool slow = u->op == UnaryOp::exp || u->op == UnaryOp::log || u->op == UnaryOp::tanh ||
                        u->op == UnaryOp::sqrt;
      total += slow ? 20 : 1;
    } else if (const auto* b = e.as<Binary>()) {
      total += is_float(e.type()) && b->op == BinaryOp::div ? 8
               : is_float(e.type()) || is_comparison(b->op) ? 1
                                                            : 0;
    } else if (e.as<Select>() || e.as<Fma>()) {
      total += 1;
    } else if (const auto* l = e.as<Load>()) {
      total += l->index.empty() ? 0 : 1;
    }
  });
  return total;
}

}  // namespace cnnc
