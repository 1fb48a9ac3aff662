// Reads expressions by precedence climbing. The builders fold and check; what they would refuse is
// reported here first, as the writer's mistake.
#include <array>
#include <charconv>
#include <limits>

#include "ir/expr/arithmetic.h"
#include "ir/expr/expr_text.h"

namespace cnnc {
namespace {

// Parentheses and prefixes inside each other, and the depth of the tree that a long chain of
// operators makes: both bound the recursion of whoever walks the expression.
constexpr int kMaxNesting = 256;
constexpr int kMaxDepth = 1024;

struct Operator {
  std::string_view text;
  BinaryOp op;
  int level;
};
constexpr std::array<Operator, 16> kOperators{{
    {"|", BinaryOp::bit_or, 1},
    {"^", BinaryOp::bit_xor, 2},
    {"&", BinaryOp::bit_and, 3},
    {"==", BinaryOp::equal, 4},
    {"!=", BinaryOp::not_equal, 4},
    {"<", BinaryOp::less, 5},
    {"<=", BinaryOp::less_equal, 5},
    {"<<", BinaryOp::shift_left, 6},
    {">>", BinaryOp::shift_right, 6},
    {"+", BinaryOp::add, 7},
    {"-", BinaryOp::sub, 7},
    {"*", BinaryOp::mul, 8},
    {"/", BinaryOp::div, 8},
    {"%", BinaryOp::rem, 8},
    {"min", BinaryOp::min, 0},
    {"max", BinaryOp::max, 0},
}};

// An expression, how deep it is, and where it was written.
struct Parsed {
  Expr expr;
  int depth = 1;
  Token token;
};

class ExprParser {
 public:
  ExprParser(TokenCursor& cursor, const ExprScope& scope) : cursor_(cursor), scope_(scope) {}

  Parsed parse(int least = 1) {
    auto left = prefix();
    while (const auto* found = binary_operator(least)) {
      const auto token = cursor_.next();
      auto right = parse(found->level + 1);
      left = combine(token, found->op, left, right);
    }
    return left;
  }

  ParsedAccess access() {
    const auto name = cursor_.next();
    const auto text = name.kind == TokenKind::string ? unescape(name.text) : std::string(name.text);
    const auto memory = scope_.buffer(text);
    if (!memory) cursor_.fail_at(name, fmt::format("there is no buffer '{}' here", text));
    cursor_.expect("[");
    ParsedAccess access{*memory, {}};
    int depth = 1;
    while (!cursor_.accept("]")) {
      if (!access.index.empty()) cursor_.expect(",");
      auto index = parse();
      require(index, ScalarType::i64, "an index");
      depth = std::max(depth, index.depth + 1);
      access.index.push_back(std::move(index.expr));
    }
    if (access.index.size() != memory->rank)
      cursor_.fail_at(name, fmt::format("'{}' has {} dimensions, not {}", text, memory->rank,
                                        access.index.size()));
    access_depth_ = depth;
    return access;
  }

 private:
  const Operator* binary_operator(int least) const {
    if (cursor_.peek().kind != TokenKind::symbol) return nullptr;
    for (const auto& it : kOperators)
      if (it.level >= least && cursor_.is(it.text)) return &it;
    return nullptr;
  }

  Parsed combine(const Token& token, BinaryOp op, const Parsed& a, const Parsed& b) {
    if (a.expr.type() != b.expr.type() || !accepts(op, a.expr.type()))
      cursor_.fail_at(token,
                      fmt::format("'{}' has no meaning for {} and {}", token.text,
                                  name_of(a.expr.type()), name_of(b.expr.type())),
                      "both operands need the same type; f32(x) converts");
    return deeper({binary(op, a.expr, b.expr), std::max(a.depth, b.depth), token});
  }

  Parsed deeper(Parsed parsed) {
    if (++parsed.depth > kMaxDepth)
      cursor_.fail_at(parsed.token,
                      fmt::format("an expression is more than {} operations deep", kMaxDepth));
    return parsed;
  }

  void require(const Parsed& parsed, ScalarType type, std::string_view what) {
    if (parsed.expr.type() == type) return;
    cursor_.fail_at(parsed.token, fmt::format("{} must be {}, not {}", what, name_of(type),
                                              name_of(parsed.expr.type())));
  }

  Parsed prefix() {
    if (++nesting_ > kMaxNesting)
      cursor_.fail_at(cursor_.peek(), fmt::format("expressions nest deeper than {}", kMaxNesting));
    auto parsed = prefix_inside();
    --nesting_;
    return parsed;
  }

  Parsed prefix_inside() {
    const auto token = cursor_.peek();
    if (cursor_.accept("-")) {
      if (cursor_.peek().kind == TokenKind::number) return number(true);
      const auto x = prefix();
      if (!accepts(UnaryOp::neg, x.expr.type()))
        cursor_.fail_at(token, "'-' has no meaning for bool");
      return deeper({-x.expr, x.depth, token});
    }
    if (cursor_.accept("!")) {
      const auto x = prefix();
      require(x, ScalarType::boolean, "the operand of '!'");
      return deeper({unary(UnaryOp::logical_not, x.expr), x.depth, token});
    }
    return primary();
  }

  Parsed primary() {
    const auto token = cursor_.peek();
    if (cursor_.accept("(")) {
      auto inner = parse();
      cursor_.expect(")");
      return inner;
    }
    if (token.kind == TokenKind::number) return number(false);
    if (token.kind == TokenKind::word && cursor_.is("(", 1)) return call();
    if (token.kind == TokenKind::string || (token.kind == TokenKind::word && cursor_.is("[", 1))) {
      auto loaded = access();
      const int depth = access_depth_;
      return deeper(
          {load(loaded.memory.buffer, loaded.memory.type, std::move(loaded.index)), depth, token});
    }
    if (token.kind == TokenKind::word) return word();
    cursor_.fail_expected("an expression");
  }

  Parsed word() {
    const auto token = cursor_.next();
    const auto text = token.text;
    constexpr auto inf = std::numeric_limits<double>::infinity();
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    if (text == "true" || text == "false")
      return {integer_constant(ScalarType::boolean, text == "true" ? 1 : 0), 1, token};
    if (text == "inf" || text == "inf_f64")
      return {constant(text == "inf" ? ScalarType::f32 : ScalarType::f64, inf), 1, token};
    if (text == "nan" || text == "nan_f64")
      return {constant(text == "nan" ? ScalarType::f32 : ScalarType::f64, nan), 1, token};
    const auto var = scope_.variable(text);
    if (!var)
      cursor_.fail_at(
          token, fmt::format("there is no variable '{}' here", text),
          scope_.buffer(text) ? "a buffer needs an index: " + std::string(text) + "[]" : "");
    return {Expr(*var), 1, token};
  }

  Parsed number(bool negative) {
    const auto token = cursor_.next();
    auto digits = token.text;
    auto type =
        digits.find_first_of(".eE") == std::string_view::npos ? ScalarType::i64 : ScalarType::f32;
    if (const auto suffix = digits.find('_'); suffix != std::string_view::npos) {
      const auto named = parse_scalar_type(digits.substr(suffix + 1));
      if (!named || *named == ScalarType::boolean)
        cursor_.fail_at(token, fmt::format("'{}' is no number: its suffix is not a type", digits),
                        "as in 1_u8 or 0.5_f64");
      type = *named;
      digits = digits.substr(0, suffix);
    }
    const auto signed_text = (negative ? "-" : "") + std::string(digits);
    auto value = is_float(type) ? real(type, signed_text) : integer(type, signed_text);
    if (!value) cursor_.fail_at(token, fmt::format("'{}' is no {}", signed_text, name_of(type)));
    return {std::move(value), 1, token};
  }

  static Expr integer(ScalarType type, const std::string& text) {
    const auto value = parse_integer(text);
    return value && wrap(type, *value) == *value ? integer_constant(type, *value) : Expr();
  }

  static Expr real(ScalarType type, const std::string& text) {
    // Straight to f32: by way of f64 the value would be rounded twice.
    float narrow = 0;
    const auto* end = text.data() + text.size();
    if (type == ScalarType::f32) {
      const auto [rest, error] = std::from_chars(text.data(), end, narrow);
      return error == std::errc() && rest == end ? constant(type, static_cast<double>(narrow))
                                                 : Expr();
    }
    const auto wide = parse_real(text);
    return wide ? constant(type, *wide) : Expr();
  }

  Parsed call() {
    const auto name = cursor_.next();
    cursor_.expect("(");
    std::vector<Parsed> arguments;
    int depth = 1;
    while (!cursor_.accept(")")) {
      if (!arguments.empty()) cursor_.expect(",");
      arguments.push_back(parse());
      depth = std::max(depth, arguments.back().depth);
    }
    return deeper({apply(name, arguments), depth, name});
  }

  Expr apply(const Token& name, const std::vector<Parsed>& arguments) {
    const auto text = name.text;
    const auto need = [&](std::size_t count) {
      if (arguments.size() != count)
        cursor_.fail_at(
            name, fmt::format("'{}' takes {} arguments, not {}", text, count, arguments.size()));
    };
    if (text == "min" || text == "max") {
      need(2);
      return combine(name, text == "min" ? BinaryOp::min : BinaryOp::max, arguments[0],
                     arguments[1])
          .expr;
    }
    if (text == "fma") {
      need(3);
      for (const auto& it : arguments)
        if (!is_float(it.expr.type()) || it.expr.type() != arguments[0].expr.type())
          cursor_.fail_at(it.token, "fma takes three values of one floating type");
      return fma(arguments[0].expr, arguments[1].expr, arguments[2].expr);
    }
    if (text == "select") {
      need(3);
      require(arguments[0], ScalarType::boolean, "the condition of select");
      require(arguments[2], arguments[1].expr.type(), "the third argument of select");
      return select(arguments[0].expr, arguments[1].expr, arguments[2].expr);
    }
    need(1);
    return apply_one(name, arguments[0].expr);
  }

  Expr apply_one(const Token& name, const Expr& x) {
    const bool bits = name.text.starts_with("bits_");
    if (const auto type = parse_scalar_type(name.text.substr(bits ? 5 : 0))) {
      if (!bits) return cast(*type, x);
      if (size_of(*type) != size_of(x.type()) || size_of(*type) < 4)
        cursor_.fail_at(name,
                        fmt::format("the bits of {} are no {}", name_of(x.type()), name_of(*type)));
      return bit_cast_expr(*type, x);
    }
    for (const auto op :
         {UnaryOp::abs, UnaryOp::sqrt, UnaryOp::floor, UnaryOp::exp, UnaryOp::log, UnaryOp::tanh}) {
      if (name_of(op) != name.text) continue;
      if (!accepts(op, x.type()))
        cursor_.fail_at(name,
                        fmt::format("'{}' has no meaning for {}", name.text, name_of(x.type())));
      return unary(op, x);
    }
    cursor_.fail_at(
        name, fmt::format("there is no function '{}'", name.text),
        "functions: min max fma select abs sqrt floor exp log tanh, types, bits_ and a type");
  }

  TokenCursor& cursor_;
  const ExprScope& scope_;
  int nesting_ = 0;
  int access_depth_ = 1;
};

}  // namespace

Expr parse_expr(TokenCursor& cursor, const ExprScope& scope) {
  return ExprParser(cursor, scope).parse().expr;
}
ParsedAccess parse_access(TokenCursor& cursor, const ExprScope& scope) {
  return ExprParser(cursor, scope).access();
}

}  // namespace cnnc
