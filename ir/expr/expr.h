// Scalar expressions: the right-hand sides, bounds and indices of loop IR, and the bodies of an
// op's compute.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

enum class UnaryOp : std::uint8_t { neg, abs, sqrt, floor, exp, log, tanh, logical_not };

/// Integer arithmetic wraps around; integer `div` truncates towards zero and `rem` has the
/// dividend's sign; shifts of unsigned types are logical. Comparisons yield bool and are false
/// where an operand is NaN (`not_equal`: true). min and max propagate NaN: max(a, b) = (a > b or a
/// is NaN) ? a : b, min likewise with <. bit_and and bit_or also take bools.
enum class BinaryOp : std::uint8_t {
  add,
  sub,
  mul,
  div,
  rem,
  min,
  max,
  less,
  less_equal,
  equal,
  not_equal,
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
};

std::string_view name_of(UnaryOp op);
std::string_view name_of(BinaryOp op);
bool is_comparison(BinaryOp op);

/// A loop variable or a Let. Identity is the object's address; the name is for people (printers
/// make it unique).
struct Variable {
  std::string name;
  ScalarType type = ScalarType::i64;
};
using Var = std::shared_ptr<const Variable>;
Var make_var(std::string name, ScalarType type = ScalarType::i64);

/// Index of a buffer: in Program::buffers, or, inside an op's compute, operands first, then stages.
using BufferId = int;

struct ExprNode;

/// An immutable expression tree, cheap to copy. Integer arithmetic on constants is folded when an
/// expression is built; floating-point arithmetic never is.
class Expr {
 public:
  Expr() = default;
  Expr(std::int64_t value);                                    // NOLINT: an i64 constant
  Expr(int value) : Expr(static_cast<std::int64_t>(value)) {}  // NOLINT
  Expr(Var var);                                               // NOLINT
  explicit Expr(ExprNode node);

  explicit operator bool() const { return node_ != nullptr; }
  const ExprNode& node() const { return *node_; }
  ScalarType type() const;

  template <class T>
  const T* as() const;
  /// The value, where this is an integer (or bool) constant.
  std::optional<std::int64_t> constant() const;

 private:
  std::shared_ptr<const ExprNode> node_;
};

struct Const {
  double real = 0;           // for f32 (already rounded to f32) and f64
  std::int64_t integer = 0;  // for the others
};
struct Load {
  BufferId buffer = 0;
  std::vector<Expr>
      index;  // one a dimension; all in bounds, also on the side of a Select that is not taken
};
struct Unary {
  UnaryOp op;
  Expr x;
};
struct Binary {
  BinaryOp op;
  Expr a, b;
};
/// a * b + c, rounded once.
struct Fma {
  Expr a, b, c;
};
/// Both sides are evaluated.
struct Select {
  Expr condition, a, b;
};
/// Converts the value (float to integer truncates), or with `bits` reinterprets it (f32 <->
/// i32/u32, f64 <-> i64).
struct Cast {
  Expr x;
  bool bits = false;
};

struct ExprNode {
  std::variant<Const, Var, Load, Unary, Binary, Fma, Select, Cast> value;
  ScalarType type;
};

template <class T>
const T* Expr::as() const {
  return node_ ? std::get_if<T>(&node_->value) : nullptr;
}

// Builders. The operands of a binary must have one type.
Expr constant(ScalarType type, double value);
Expr integer_constant(ScalarType type, std::int64_t value);
Expr unary(UnaryOp op, Expr x);
Expr binary(BinaryOp op, Expr a, Expr b);
Expr fma(Expr a, Expr b, Expr c);
Expr select(Expr condition, Expr a, Expr b);
Expr cast(ScalarType type, Expr x);
Expr bit_cast_expr(ScalarType type, Expr x);
Expr load(BufferId buffer, ScalarType type, std::vector<Expr> index);

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator%(Expr a, Expr b);
Expr operator-(Expr x);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator&(Expr a, Expr b);
Expr min(Expr a, Expr b);
Expr max(Expr a, Expr b);
Expr equal(Expr a, Expr b);

using Substitution = std::unordered_map<Var, Expr>;
/// `expr` with variables replaced, rebuilt through the builders (so constants fold).
Expr substitute(const Expr& expr, const Substitution& substitution);
std::vector<Expr> substitute(std::vector<Expr> exprs, const Substitution& substitution);
/// `expr` rebuilt bottom-up: `rewrite` sees each node after its children and returns a replacement
/// or an empty Expr.
Expr transform(const Expr& expr, const std::function<Expr(const Expr&)>& rewrite);
/// Calls `visit` on `expr` and everything below it, parents first.
void walk(const Expr& expr, const std::function<void(const Expr&)>& visit);
/// Calls f on the operands of `expr`, until it returns true; whether it did.
template <class F>
bool any_operand(const Expr& expr, F&& f) {
  struct Visitor {
    F& f;
    bool operator()(const Const&) { return false; }
    bool operator()(const Var&) { return false; }
    bool operator()(const Load& node) {
      for (const auto& index : node.index)
        if (f(index)) return true;
      return false;
    }
    bool operator()(const Unary& node) { return f(node.x); }
    bool operator()(const Binary& node) { return f(node.a) || f(node.b); }
    bool operator()(const Fma& node) { return f(node.a) || f(node.b) || f(node.c); }
    bool operator()(const Select& node) { return f(node.condition) || f(node.a) || f(node.b); }
    bool operator()(const Cast& node) { return f(node.x); }
  };
  return std::visit(Visitor{f}, expr.node().value);
}
bool depends_on(const Expr& expr, const Var& var);
/// Structural equality; variables by identity or as `renaming` maps those of `a` to those of `b`.
bool same(const Expr& a, const Expr& b, const std::unordered_map<Var, Var>& renaming = {});
/// c where expr == c * var + (something without var) holds by its form, with constant c; otherwise
/// nothing.
std::optional<std::int64_t> stride_in(const Expr& expr, const Var& var);

}  // namespace cnnc
