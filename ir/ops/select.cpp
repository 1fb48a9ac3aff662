// select(condition, a, b): a where the condition holds, b elsewhere.
#include "ir/graph/rules.h"
#include "ir/ops/elementwise.h"

namespace cnnc {

namespace {

void bool_and_two_of_one_type(std::string_view op, const OpContext& context) {
  if (context.operands[0].scalar == ScalarType::boolean &&
      context.operands[1].scalar == context.operands[2].scalar) {
    return;
  }
  fail("{}: the first operand must be bool, the others of one type",
       describe(op, context.operands));
}

}  // namespace

OpDef select_op() {
  OpDef op = elementwise_op(
      {.name = "select",
       .description = "a where the condition holds, b elsewhere",
       .operands = 3,
       .scalar = [](std::span<const Expr> x) { return select(x[0], x[1], x[2]); },
       .reference = [](std::span<const double> x) { return x[0] != 0 ? x[1] : x[2]; },
       .check = bool_and_two_of_one_type,
       .exact_on_integers = true});
  for (Sample& sample : op.samples) sample.operands[0].scalar = ScalarType::boolean;
  return op;
}

}  // namespace cnnc
