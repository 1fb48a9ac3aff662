// Elementwise ops of one operand.
#include <cmath>
#include <limits>

#include "ir/graph/rules.h"
#include "ir/ops/elementwise.h"

namespace cnnc {

namespace {

using Arguments = std::span<const Expr>;
using Numbers = std::span<const double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ScalarRule apply(UnaryOp op) {
  return [op](Arguments x) { return unary(op, x[0]); };
}

/// 1 / (1 + exp(-x)) with exp of non-positive numbers alone, so that neither it nor its derivative
/// overflows.
Expr sigmoid(Arguments x) {
  const Expr one = constant(x[0].type(), 1);
  const Expr e = unary(UnaryOp::exp, min(-x[0], x[0]));  // min's derivative at 0 is that of x
  return select(x[0] <= constant(x[0].type(), 0), e, one) / (one + e);
}

Expr relu(Arguments x) {
  const Expr zero = constant(x[0].type(), 0);
  return select(x[0] <= zero, zero, x[0]);  // NaN passes; the derivative at 0 is 0
}

Expr relu6(Arguments x) {
  const Expr six = constant(x[0].type(), 6);
  return select(six <= x[0], six, relu(x));
}

OpDef boolean_not() {
  OpDef op = elementwise_op({.name = "logical_not",
                             .description = "true where x is false",
                             .scalar = apply(UnaryOp::logical_not),
                             .reference = [](Numbers x) { return x[0] == 0 ? 1.0 : 0.0; },
                             .check = all_bool,
                             .exact_on_integers = true,
                             .differentiable = false});
  for (Sample& sample : op.samples) sample.operands[0].scalar = ScalarType::boolean;
  return op;
}

}  // namespace

std::vector<OpDef> unary_ops() {
  std::vector<OpDef> ops;
  const auto add = [&](ElementwiseRules rules) { ops.push_back(elementwise_op(std::move(rules))); };
  add({.name = "neg",
       .description = "-x",
       .scalar = apply(UnaryOp::neg),
       .reference = [](Numbers x) { return -x[0]; },
       .check = one_number_type,
       .exact_on_integers = true});
  add({.name = "abs",
       .description = "|x|",
       .notes = "The derivative at 0 is 0.",
       .scalar = apply(UnaryOp::abs),
       .reference = [](Numbers x) { return std::abs(x[0]); },
       .check = one_number_type,
       .exact_on_integers = true,
       .kinks = kinks_at({{{0}, {0}}, {{-0.0}, {0}}})});
  add({.name = "exp",
       .description = "e to the power x",
       .scalar = apply(UnaryOp::exp),
       .reference = [](Numbers x) { return std::exp(x[0]); },
       .range = {-5, 5}});
  add({.name = "log",
       .description = "natural logarithm",
       .notes = "The derivative at 0 is infinite, with the sign of the zero.",
       .scalar = apply(UnaryOp::log),
       .reference = [](Numbers x) { return std::log(x[0]); },
       .range = {0.1, 9},
       .kinks = kinks_at({{{0}, {kInfinity}}, {{-0.0}, {-kInfinity}}})});
  add({.name = "sqrt",
       .description = "square root",
       .notes = "The derivative at 0 is infinite, with the sign of the zero.",
       .scalar = apply(UnaryOp::sqrt),
       .reference = [](Numbers x) { return std::sqrt(x[0]); },
       .range = {0.1, 9},
       .kinks = kinks_at({{{0}, {kInfinity}}, {{-0.0}, {-kInfinity}}})});
  add({.name = "tanh",
       .description = "hyperbolic tangent",
       .scalar = apply(UnaryOp::tanh),
       .reference = [](Numbers x) { return std::tanh(x[0]); },
       .range = {-3, 3}});
  add({.name = "floor",
       .description = "the greatest whole number not above x",
       .scalar = apply(UnaryOp::floor),
       .reference = [](Numbers x) { return std::floor(x[0]); },
       .range = {-5, 5},
       .exact_on_integers = true,
       .differentiable = false});
  add({.name = "relu",
       .description = "x where positive, otherwise 0",
       .notes = "The derivative at 0 is 0, of NaN 1: NaN stays NaN.",
       .scalar = relu,
       .reference = [](Numbers x) { return std::isnan(x[0]) || x[0] > 0 ? x[0] : 0.0; },
       .exact_on_integers = true,
       .kinks = kinks_at({{{0}, {0}}, {{-0.0}, {0}}, {{kNaN}, {1}}})});
  add({.name = "relu6",
       .description = "relu, 6 at the most",
       .notes = "The derivative at 0 and at 6 is 0, of NaN 1: NaN stays NaN.",
       .scalar = relu6,
       .reference =
           [](Numbers x) { return std::isnan(x[0]) ? x[0] : std::fmin(std::fmax(x[0], 0), 6); },
       .range = {-3, 9},
       .exact_on_integers = true,
       .kinks = kinks_at({{{0}, {0}}, {{-0.0}, {0}}, {{6}, {0}}, {{kNaN}, {1}}})});
  add({.name = "sigmoid",
       .description = "1 / (1 + exp(-x))",
       .scalar = sigmoid,
       .reference = [](Numbers x) { return 1 / (1 + std::exp(-x[0])); },
       .range = {-9, 9}});
  ops.push_back(boolean_not());
  return ops;
}

}  // namespace cnnc
