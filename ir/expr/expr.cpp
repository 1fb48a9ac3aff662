#include "ir/expr/expr.h"

#include <array>
#include <cmath>

#include "ir/base/diagnostic.h"
#include "ir/expr/arithmetic.h"

namespace cnnc {
namespace {

Expr make(ScalarType type, decltype(ExprNode::value) value) {
  return Expr(ExprNode{std::move(value), type});
}

bool same_node(const Expr& a, const Expr& b) { return &a.node() == &b.node(); }

// c where x == y + c (or y * c) with a constant c; `rest` becomes y.
std::optional<std::int64_t> constant_operand(const Expr& x, BinaryOp op, Expr& rest) {
  const auto* inner = x.as<Binary>();
  if (inner == nullptr || inner->op != op) return std::nullopt;
  const auto value = inner->b.constant();
  if (value) rest = inner->a;
  return value;
}

// The simpler form of `a op c` with an integer or bool constant c, or an empty Expr.
Expr simplify_right_constant(BinaryOp op, const Expr& a, std::int64_t c) {
  const auto type = a.type();
  Expr rest;
  switch (op) {
    case BinaryOp::add:
      if (c == 0) return a;
      if (const auto inner = constant_operand(a, op, rest))
        return rest + integer_constant(type, fold(BinaryOp::add, type, *inner, c).value());
      break;
    case BinaryOp::sub:
      if (c == 0) return a;
      if (type == ScalarType::i64)  // one form for offsets, whatever their sign
        return a + Expr(fold(BinaryOp::sub, type, 0, c).value());
      break;
    case BinaryOp::mul:
      if (c == 0) return integer_constant(type, 0);
      if (c == 1) return a;
      if (const auto inner = constant_operand(a, op, rest))
        return rest * integer_constant(type, fold(BinaryOp::mul, type, *inner, c).value());
      break;
    case BinaryOp::div:
      if (c == 1) return a;
      break;
    case BinaryOp::rem:
      if (c == 1) return integer_constant(type, 0);
      break;
    case BinaryOp::bit_and:
      if (c == 0) return integer_constant(type, 0);
      if (type == ScalarType::boolean) return a;
      break;
    case BinaryOp::bit_or:
      if (c == 0) return a;
      if (type == ScalarType::boolean) return integer_constant(type, 1);
      break;
    case BinaryOp::bit_xor:
    case BinaryOp::shift_left:
    case BinaryOp::shift_right:
      if (c == 0) return a;
      break;
    default: break;
  }
  return {};
}

bool is_commutative(BinaryOp op) {
  return op == BinaryOp::add || op == BinaryOp::mul || op == BinaryOp::min || op == BinaryOp::max ||
         op == BinaryOp::bit_and || op == BinaryOp::bit_or || op == BinaryOp::bit_xor;
}

// What an operation on integers or bools folds to, or an empty Expr. May swap the operands to bring
// a constant to the right.
Expr simplify_integer(BinaryOp op, Expr& a, Expr& b) {
  const auto type = a.type();
  auto x = a.constant();
  auto y = b.constant();
  if (x && y) {
    const auto folded = fold(op, type, *x, *y);
    if (!folded) return {};  // a division by zero stays for the run to report
    return integer_constant(is_comparison(op) ? ScalarType::boolean : type, *folded);
  }
  if (x && is_commutative(op)) {
    std::swap(a, b);
    std::swap(x, y);
  }
  if (y) return simplify_right_constant(op, a, *y);
  if (same_node(a, b)) {
    if (op == BinaryOp::sub) return integer_constant(type, 0);
    if (op == BinaryOp::min || op == BinaryOp::max) return a;
  }
  return {};
}

}  // namespace

std::string_view name_of(UnaryOp op) {
  constexpr std::array<std::string_view, 8> names{"neg", "abs", "sqrt", "floor",
                                                  "exp", "log", "tanh", "not"};
  return names.at(static_cast<std::size_t>(op));
}

std::string_view name_of(BinaryOp op) {
  constexpr std::array<std::string_view, 16> names{"+",  "-",  "*",  "/", "%", "min", "max", "<",
                                                   "<=", "==", "!=", "&", "|", "^",   "<<",  ">>"};
  return names.at(static_cast<std::size_t>(op));
}

bool accepts(UnaryOp op, ScalarType type) {
  if (op == UnaryOp::logical_not) return type == ScalarType::boolean;
  const bool any_number = op == UnaryOp::neg || op == UnaryOp::abs;
  return any_number ? type != ScalarType::boolean : is_float(type);
}

bool accepts(BinaryOp op, ScalarType type) {
  switch (op) {
    case BinaryOp::equal:
    case BinaryOp::not_equal: return true;
    case BinaryOp::bit_and:
    case BinaryOp::bit_or:
    case BinaryOp::bit_xor: return !is_float(type);
    case BinaryOp::shift_left:
    case BinaryOp::shift_right:
    case BinaryOp::rem: return is_integer(type);
    default: return type != ScalarType::boolean;
  }
}

bool is_comparison(BinaryOp op) {
  return op == BinaryOp::less || op == BinaryOp::less_equal || op == BinaryOp::equal ||
         op == BinaryOp::not_equal;
}

Var make_var(std::string name, ScalarType type) {
  return std::make_shared<const Variable>(Variable{std::move(name), type});
}

Expr::Expr(std::int64_t value) : Expr(ExprNode{Const{0, value}, ScalarType::i64}) {}
Expr::Expr(Var var) {
  CNNC_CHECK(var != nullptr, "expression of no variable");
  const auto type = var->type;
  node_ = std::make_shared<const ExprNode>(ExprNode{std::move(var), type});
}
Expr::Expr(ExprNode node) : node_(std::make_shared<const ExprNode>(std::move(node))) {}

ScalarType Expr::type() const {
  CNNC_CHECK(node_ != nullptr, "type of an empty expression");
  return node_->type;
}

std::optional<std::int64_t> Expr::constant() const {
  const auto* value = as<Const>();
  if (value == nullptr || is_float(node_->type)) return std::nullopt;
  return value->integer;
}

Expr constant(ScalarType type, double value) {
  if (type == ScalarType::f32)
    return make(type, Const{static_cast<double>(static_cast<float>(value)), 0});
  if (type == ScalarType::f64) return make(type, Const{value, 0});
  if (type == ScalarType::boolean) return integer_constant(type, value != 0 ? 1 : 0);
  CNNC_CHECK(value >= -0x1p63 && value < 0x1p63, "integer constant {}", value);
  return integer_constant(type, static_cast<std::int64_t>(value));
}

Expr integer_constant(ScalarType type, std::int64_t value) {
  if (is_float(type)) return cast(type, Expr(value));
  return make(type, Const{0, wrap(type, value)});
}

Expr unary(UnaryOp op, Expr x) {
  const auto type = x.type();
  CNNC_CHECK(accepts(op, type), "{} has no meaning for {}", name_of(op), name_of(type));
  if (const auto value = x.constant()) {
    if (op == UnaryOp::logical_not) return integer_constant(type, *value == 0 ? 1 : 0);
    if (op == UnaryOp::neg || *value < 0)
      return integer_constant(type, fold(BinaryOp::sub, type, 0, *value).value());
    return x;  // abs
  }
  if (op == UnaryOp::neg && x.as<Const>() != nullptr) return constant(type, -x.as<Const>()->real);
  return make(type, Unary{op, std::move(x)});
}

Expr binary(BinaryOp op, Expr a, Expr b) {
  CNNC_CHECK(a.type() == b.type() && accepts(op, a.type()), "{} {} {} has no meaning",
             name_of(a.type()), name_of(op), name_of(b.type()));
  if (!is_float(a.type()))
    if (auto simple = simplify_integer(op, a, b)) return simple;
  const auto type = is_comparison(op) ? ScalarType::boolean : a.type();
  return make(type, Binary{op, std::move(a), std::move(b)});
}

Expr fma(Expr a, Expr b, Expr c) {
  const auto type = a.type();
  CNNC_CHECK(is_float(type) && b.type() == type && c.type() == type, "fma of {}, {}, {}",
             name_of(type), name_of(b.type()), name_of(c.type()));
  return make(type, Fma{std::move(a), std::move(b), std::move(c)});
}

Expr select(Expr condition, Expr a, Expr b) {
  CNNC_CHECK(condition.type() == ScalarType::boolean && a.type() == b.type(), "select({}, {}, {})",
             name_of(condition.type()), name_of(a.type()), name_of(b.type()));
  if (const auto value = condition.constant()) return *value != 0 ? a : b;
  if (same_node(a, b)) return a;
  const auto type = a.type();
  return make(type, Select{std::move(condition), std::move(a), std::move(b)});
}

Expr cast(ScalarType type, Expr x) {
  if (x.type() == type) return x;
  if (const auto value = x.constant()) {
    // One rounding, straight from the integer.
    if (type == ScalarType::f32)
      return constant(type, static_cast<double>(static_cast<float>(*value)));
    if (type == ScalarType::f64) return constant(type, static_cast<double>(*value));
    return integer_constant(type, type == ScalarType::boolean ? *value != 0 : *value);
  }
  return make(type, Cast{std::move(x), false});
}

Expr bit_cast_expr(ScalarType type, Expr x) {
  if (x.type() == type) return x;
  CNNC_CHECK(size_of(type) == size_of(x.type()) && size_of(type) >= 4, "bits of {} as {}",
             name_of(x.type()), name_of(type));
  return make(type, Cast{std::move(x), true});
}

Expr load(BufferId buffer, ScalarType type, std::vector<Expr> index) {
  return make(type, Load{buffer, std::move(index)});
}

Expr operator+(Expr a, Expr b) { return binary(BinaryOp::add, std::move(a), std::move(b)); }
Expr operator-(Expr a, Expr b) { return binary(BinaryOp::sub, std::move(a), std::move(b)); }
Expr operator*(Expr a, Expr b) { return binary(BinaryOp::mul, std::move(a), std::move(b)); }
Expr operator/(Expr a, Expr b) { return binary(BinaryOp::div, std::move(a), std::move(b)); }
Expr operator%(Expr a, Expr b) { return binary(BinaryOp::rem, std::move(a), std::move(b)); }
Expr operator-(Expr x) { return unary(UnaryOp::neg, std::move(x)); }
Expr operator<(Expr a, Expr b) { return binary(BinaryOp::less, std::move(a), std::move(b)); }
Expr operator<=(Expr a, Expr b) { return binary(BinaryOp::less_equal, std::move(a), std::move(b)); }
Expr operator&(Expr a, Expr b) { return binary(BinaryOp::bit_and, std::move(a), std::move(b)); }
Expr min(Expr a, Expr b) { return binary(BinaryOp::min, std::move(a), std::move(b)); }
Expr max(Expr a, Expr b) { return binary(BinaryOp::max, std::move(a), std::move(b)); }
Expr equal(Expr a, Expr b) { return binary(BinaryOp::equal, std::move(a), std::move(b)); }

}  // namespace cnnc
