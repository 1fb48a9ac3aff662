#include <array>
#include <cmath>

#include "ir/expr/expr_text.h"

namespace cnnc {
namespace {

// How tightly an expression binds; operands that bind looser stand in parentheses.
constexpr int kPrefix = 9;
constexpr int kPrimary = 10;

int precedence(BinaryOp op) {
  switch (op) {
    case BinaryOp::bit_or: return 1;
    case BinaryOp::bit_xor: return 2;
    case BinaryOp::bit_and: return 3;
    case BinaryOp::equal:
    case BinaryOp::not_equal: return 4;
    case BinaryOp::less:
    case BinaryOp::less_equal: return 5;
    case BinaryOp::shift_left:
    case BinaryOp::shift_right: return 6;
    case BinaryOp::add:
    case BinaryOp::sub: return 7;
    case BinaryOp::mul:
    case BinaryOp::div:
    case BinaryOp::rem: return 8;
    case BinaryOp::min:
    case BinaryOp::max: return kPrimary;
  }
  return kPrimary;
}

bool is_negative(const Expr& expr) {
  const auto* value = expr.as<Const>();
  return value != nullptr &&
         (is_float(expr.type()) ? std::signbit(value->real) : value->integer < 0);
}

int precedence(const Expr& expr) {
  if (const auto* node = expr.as<Binary>()) return precedence(node->op);
  const auto* node = expr.as<Unary>();
  const bool prefix =
      node != nullptr && (node->op == UnaryOp::neg || node->op == UnaryOp::logical_not);
  return prefix || is_negative(expr) ? kPrefix : kPrimary;
}

struct ExprPrinter {
  std::string& out;
  const ExprNames& names;

  void print(const Expr& expr) {
    std::visit([&](const auto& node) { add(expr.type(), node); }, expr.node().value);
  }
  void print_within(const Expr& expr, int least) {
    const bool parentheses = precedence(expr) < least;
    if (parentheses) out += '(';
    print(expr);
    if (parentheses) out += ')';
  }
  void call(std::string_view name, std::initializer_list<Expr> arguments) {
    out += name;
    list(arguments, '(', ')');
  }
  template <class Exprs>
  void list(const Exprs& exprs, char open, char close) {
    out += open;
    bool first = true;
    for (const auto& expr : exprs) {
      if (!first) out += ", ";
      first = false;
      print(expr);
    }
    out += close;
  }

  void add(ScalarType type, const Const& node) {
    if (type == ScalarType::boolean) {
      out += node.integer != 0 ? "true" : "false";
      return;
    }
    if (type == ScalarType::f32)
      out += real_text(static_cast<float>(node.real));
    else
      out += type == ScalarType::f64 ? real_text(node.real) : std::to_string(node.integer);
    if (type != ScalarType::f32 && type != ScalarType::i64) (out += '_') += name_of(type);
  }
  void add(ScalarType, const Var& var) { out += names.variable(var); }
  void add(ScalarType, const Load& node) {
    out += names.buffer(node.buffer);
    list(node.index, '[', ']');
  }
  void add(ScalarType, const Unary& node) {
    if (node.op != UnaryOp::neg && node.op != UnaryOp::logical_not)
      return call(name_of(node.op), {node.x});
    out += node.op == UnaryOp::neg ? '-' : '!';
    // A number behind '-' would read as a negative constant.
    const bool literal = node.x.as<Const>() != nullptr;
    print_within(node.x, literal ? kPrimary + 1 : kPrimary);
  }
  void add(ScalarType, const Binary& node) {
    if (node.op == BinaryOp::min || node.op == BinaryOp::max)
      return call(name_of(node.op), {node.a, node.b});
    // Few know how shifts and bit operations bind, so what they work on stands in parentheses.
    const int level = precedence(node.op);
    const bool bitwise =
        level <= 6 && level != 4 && level != 5 && node.a.type() != ScalarType::boolean;
    const auto* left = node.a.as<Binary>();
    const bool is_chain = left != nullptr && left->op == node.op;
    print_within(node.a, bitwise && !is_chain ? kPrefix : level);
    const auto offset = node.b.constant();
    if (node.op == BinaryOp::add && node.b.type() == ScalarType::i64 && offset && *offset < 0 &&
        *offset != INT64_MIN) {
      out += fmt::format(" - {}", -*offset);
      return;
    }
    ((out += ' ') += name_of(node.op)) += ' ';
    print_within(node.b, bitwise ? kPrefix : level + 1);
  }
  void add(ScalarType, const Fma& node) { call("fma", {node.a, node.b, node.c}); }
  void add(ScalarType, const Select& node) { call("select", {node.condition, node.a, node.b}); }
  void add(ScalarType type, const Cast& node) {
    if (node.bits) out += "bits_";
    call(name_of(type), {node.x});
  }
};

template <class T>
std::string text_of(T value) {
  if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string real_text(float value) { return text_of(value); }
std::string real_text(double value) { return text_of(value); }

void append_expr(std::string& out, const Expr& expr, const ExprNames& names) {
  if (!expr) {
    out += "<empty>";  // a broken program can be dumped, too
    return;
  }
  ExprPrinter{out, names}.print(expr);
}

bool is_reserved_word(std::string_view word) {
  constexpr std::array<std::string_view, 18> words{
      "inf",    "inf_f64", "nan", "nan_f64", "true", "false",  "for", "parallel", "vector",
      "unroll", "alloc",   "let", "if",      "else", "kernel", "in",  "serves",   "once"};
  for (const auto reserved : words)
    if (word == reserved) return true;
  return false;
}

}  // namespace cnnc
