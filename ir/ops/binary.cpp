// Elementwise ops of two operands.
#include <cmath>
#include <limits>

#include "ir/expr/arithmetic.h"
#include "ir/graph/rules.h"
#include "ir/ops/elementwise.h"

namespace cnnc {

namespace {

using Arguments = std::span<const Expr>;
using Numbers = std::span<const double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ScalarRule apply(BinaryOp op) {
  return [op](Arguments x) { return binary(op, x[0], x[1]); };
}

OpDef comparison(BinaryOp op, std::string description, ScalarReference reference) {
  OpDef def =
      elementwise_op({.name = std::string(op_name(op)),
                      .description = std::move(description),
                      .operands = 2,
                      .scalar = apply(op),
                      .reference = std::move(reference),
                      .check = accepts(op, ScalarType::boolean) ? any_one_type : one_number_type,
                      .exact_on_integers = true,
                      .differentiable = false});
  // Whole numbers, many of them equal.
  def.samples.push_back(
      {"labels", {{ScalarType::i32, {kBatch, 1}}, {ScalarType::i32, {10}}}, {}, {{0, 9}, {0, 9}}});
  return def;
}

OpDef logical(BinaryOp op, std::string description, ScalarReference reference) {
  OpDef def = elementwise_op({.name = std::string(op_name(op)),
                              .description = std::move(description),
                              .operands = 2,
                              .scalar = apply(op),
                              .reference = std::move(reference),
                              .check = all_bool,
                              .exact_on_integers = true,
                              .differentiable = false});
  for (Sample& sample : def.samples) {
    for (TensorType& type : sample.operands) type.scalar = ScalarType::boolean;
  }
  return def;
}

OpDef arithmetic(BinaryOp op, std::string description, ScalarReference reference) {
  OpDef def = elementwise_op({.name = std::string(op_name(op)),
                              .description = std::move(description),
                              .operands = 2,
                              .scalar = apply(op),
                              .reference = std::move(reference),
                              .check = one_number_type,
                              .exact_on_integers = true});
  def.samples.push_back({"whole_numbers",
                         {{ScalarType::i64, {kBatch, 3}}, {ScalarType::i64, {}}},
                         {},
                         {{-9, 9}, {-9, 9}}});
  return def;
}

/// The gradient goes to the operand that is returned: a NaN, of two the first; of equal ones the
/// second.
std::vector<Kink> equal_operands() {
  return kinks_at({{{2, 2}, {0, 1}},
                   {{0, 0}, {0, 1}},
                   {{0, -0.0}, {0, 1}},
                   {{-0.0, 0}, {0, 1}},
                   {{kInfinity, kInfinity}, {0, 1}},
                   {{kNaN, 1}, {1, 0}},
                   {{1, kNaN}, {0, 1}},
                   {{kNaN, kNaN}, {1, 0}}});
}

OpDef extreme(BinaryOp op, std::string description, ScalarReference reference) {
  OpDef def = arithmetic(op, std::move(description), std::move(reference));
  def.notes =
      "NaN where either is. The gradient goes to the operand that is returned, of equal ones to "
      "the second.";
  def.kinks = equal_operands();
  return def;
}

OpDef quotient() {
  OpDef def = elementwise_op({.name = "div",
                              .description = "a / b, of real numbers",
                              .notes = "By 0, the derivatives are infinite, with the zero's sign.",
                              .operands = 2,
                              .scalar = apply(BinaryOp::div),
                              .reference = [](Numbers x) { return x[0] / x[1]; },
                              .kinks = kinks_at({{{1, 0}, {kInfinity, -kInfinity}},
                                                 {{1, -0.0}, {-kInfinity, -kInfinity}},
                                                 {{0, 0}, {kInfinity, kNaN}}})});
  for (Sample& sample : def.samples) sample.ranges[1] = {0.5, 2};
  return def;
}

}  // namespace

std::vector<OpDef> binary_ops() {
  return {
      arithmetic(BinaryOp::add, "a + b", [](Numbers x) { return x[0] + x[1]; }),
      arithmetic(BinaryOp::sub, "a - b", [](Numbers x) { return x[0] - x[1]; }),
      arithmetic(BinaryOp::mul, "a * b", [](Numbers x) { return x[0] * x[1]; }),
      quotient(),
      extreme(BinaryOp::max, "the greater",
              [](Numbers x) { return x[0] > x[1] || std::isnan(x[0]) ? x[0] : x[1]; }),
      extreme(BinaryOp::min, "the lesser",
              [](Numbers x) { return x[0] < x[1] || std::isnan(x[0]) ? x[0] : x[1]; }),
      comparison(BinaryOp::less, "a < b", [](Numbers x) { return x[0] < x[1] ? 1.0 : 0.0; }),
      comparison(BinaryOp::less_equal, "a <= b",
                 [](Numbers x) { return x[0] <= x[1] ? 1.0 : 0.0; }),
      comparison(BinaryOp::equal, "a == b", [](Numbers x) { return x[0] == x[1] ? 1.0 : 0.0; }),
      comparison(BinaryOp::not_equal, "a != b", [](Numbers x) { return x[0] != x[1] ? 1.0 : 0.0; }),
      logical(BinaryOp::bit_and, "both",
              [](Numbers x) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0.0; }),
      logical(BinaryOp::bit_or, "either or both",
              [](Numbers x) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0.0; }),
  };
}

}  // namespace cnnc
