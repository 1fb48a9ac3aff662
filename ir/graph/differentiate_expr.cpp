// Derivatives of scalar expressions. Terms that are zero by their form vanish, whatever the values
// in them:
//
//   d(a * b)          = da * b + a * db                 d(select(c, a, b)) = select(c, da, db)
//   d(a / b)          = (da - (a / b) * db) / b          d(max(a, b))       = select(max takes a,
//   da, db) d exp(x), tanh(x) = exp(x) dx, (1 - tanh(x)²) dx     d|x|               = select(x < 0,
//   -dx, select(x == 0, 0, dx))
#include "ir/graph/graph.h"

namespace cnnc {

namespace {

bool is_value(const Expr& expr, double value) {
  const Const* constant = expr.as<Const>();
  return constant != nullptr && is_float(expr.type()) && constant->real == value;
}
bool is_zero(const Expr& expr) { return is_value(expr, 0); }
bool is_one(const Expr& expr) { return is_value(expr, 1); }
Expr zero_like(const Expr& expr) { return constant(expr.type(), 0); }

Expr negated(const Expr& x) {
  if (is_zero(x)) return x;
  if (const Unary* inner = x.as<Unary>(); inner != nullptr && inner->op == UnaryOp::neg) {
    return inner->x;
  }
  return -x;
}
Expr sum(const Expr& a, const Expr& b) {
  if (is_zero(a)) return b;
  if (is_zero(b)) return a;
  return a + b;
}
Expr difference(const Expr& a, const Expr& b) {
  if (is_zero(b)) return a;
  if (is_zero(a)) return negated(b);
  return a - b;
}
Expr product(const Expr& a, const Expr& b) {
  if (is_zero(a) || is_one(b)) return a;
  if (is_zero(b) || is_one(a)) return b;
  return a * b;
}
Expr quotient(const Expr& a, const Expr& b) { return is_zero(a) || is_one(b) ? a : a / b; }
Expr choice(const Expr& condition, const Expr& a, const Expr& b) {
  return same(a, b) ? a : select(condition, a, b);
}

/// Derivatives with respect to one argument, each shared subexpression's once.
class Differentiator {
 public:
  explicit Differentiator(BufferId argument) : argument_(argument) {}

  Expr of(const Expr& expr) {
    if (!is_float(expr.type())) return constant(ScalarType::f64, 0);
    if (const auto found = known_.find(&expr.node()); found != known_.end()) return found->second;
    const Expr result =
        std::visit([&](const auto& node) { return derive(node, expr); }, expr.node().value);
    known_.emplace(&expr.node(), result);
    return result;
  }

 private:
  Expr derive(const Const&, const Expr& whole) { return zero_like(whole); }
  Expr derive(const Var&, const Expr& whole) { return zero_like(whole); }
  Expr derive(const Load& x, const Expr& whole) {
    return constant(whole.type(), x.buffer == argument_ ? 1 : 0);
  }
  Expr derive(const Fma& x, const Expr&) {
    return sum(sum(product(of(x.a), x.b), product(x.a, of(x.b))), of(x.c));
  }
  Expr derive(const Select& x, const Expr&) { return choice(x.condition, of(x.a), of(x.b)); }
  Expr derive(const Cast& x, const Expr& whole) {
    CNNC_CHECK(!x.bits, "a reinterpreted value has no derivative");
    const Expr inner = of(x.x);
    if (const Const* fixed = inner.as<Const>()) return constant(whole.type(), fixed->real);
    return cast(whole.type(), inner);
  }
  Expr derive(const Unary& x, const Expr& whole);
  Expr derive(const Binary& x, const Expr& whole);

  BufferId argument_;
  std::unordered_map<const ExprNode*, Expr> known_;
};

Expr Differentiator::derive(const Unary& x, const Expr& whole) {
  const Expr dx = of(x.x);
  if (is_zero(dx)) return dx;
  const Expr zero = zero_like(whole);
  switch (x.op) {
    case UnaryOp::neg: return negated(dx);
    case UnaryOp::abs: return select(x.x < zero, negated(dx), select(equal(x.x, zero), zero, dx));
    case UnaryOp::sqrt: return quotient(product(constant(whole.type(), 0.5), dx), whole);
    case UnaryOp::floor: return zero;
    case UnaryOp::exp: return product(whole, dx);
    case UnaryOp::log: return quotient(dx, x.x);
    case UnaryOp::tanh: return product(constant(whole.type(), 1) - whole * whole, dx);
    case UnaryOp::logical_not: break;
  }
  check_failed(__FILE__, __LINE__, "differentiate",
               fmt::format("{} yields no real number", name_of(x.op)));
}

Expr Differentiator::derive(const Binary& x, const Expr& whole) {
  const Expr da = of(x.a), db = of(x.b);
  const auto is_nan = [](const Expr& e) { return binary(BinaryOp::not_equal, e, e); };
  const auto either = [](const Expr& a, const Expr& b) { return binary(BinaryOp::bit_or, a, b); };
  if (is_zero(da) && is_zero(db)) return zero_like(whole);
  switch (x.op) {
    case BinaryOp::add: return sum(da, db);
    case BinaryOp::sub: return difference(da, db);
    case BinaryOp::mul: return sum(product(da, x.b), product(x.a, db));
    case BinaryOp::div: return quotient(difference(da, product(whole, db)), x.b);
    // To the operand that is returned, NaN or not.
    case BinaryOp::max: return choice(either(x.b < x.a, is_nan(x.a)), da, db);
    case BinaryOp::min: return choice(either(x.a < x.b, is_nan(x.a)), da, db);
    default: break;
  }
  check_failed(__FILE__, __LINE__, "differentiate",
               fmt::format("{} of real numbers has no derivative", name_of(x.op)));
}

}  // namespace

Expr differentiate(const Expr& expr, BufferId argument) {
  return Differentiator(argument).of(expr);
}

}  // namespace cnnc
