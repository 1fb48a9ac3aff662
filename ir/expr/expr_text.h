// Expressions as text, the same in every dump:
//
//   max(acc[0, 2 * v + 1] + f32(image[n, y]) * 0.5, 0.0)
//
// From loosest to tightest: |  ^  &  == !=  < <=  << >>  + -  * / %  then the prefixes - and !.
// Functions: min max fma select abs sqrt floor exp log tanh, f32(x) and the other types' names for
// casts, bits_i32(x) to reinterpret. Constants: 1 is i64, 1.5 and inf are f32; every other type is
// a suffix: 1_u8, 1.5_f64, inf_f64; true and false are bools.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ir/base/lexer.h"
#include "ir/expr/expr.h"

namespace cnnc {

/// How the text names what an expression refers to.
struct ExprNames {
  std::function<std::string_view(const Var&)> variable;
  std::function<std::string_view(BufferId)> buffer;
};
void append_expr(std::string& out, const Expr& expr, const ExprNames& names);

/// A floating-point number in the shortest form that reads back the same, always with a point or
/// exponent: 1.0, 1e-05, inf, -inf, nan.
std::string real_text(float value);
std::string real_text(double value);
/// Words that cannot name a variable.
bool is_reserved_word(std::string_view word);

/// What a parser knows of names. Nothing for an unknown one.
struct ExprScope {
  struct Memory {
    BufferId buffer;
    ScalarType type;
    std::size_t rank;
  };
  std::function<std::optional<Var>(std::string_view)> variable;
  std::function<std::optional<Memory>(std::string_view)> buffer;
};
/// Reads an expression, checking names, types and ranks. At a mistake: reports it and throws
/// ParseFailure.
Expr parse_expr(TokenCursor& cursor, const ExprScope& scope);
/// Reads `name[i, j]`; the name may be a string token.
struct ParsedAccess {
  ExprScope::Memory memory;
  std::vector<Expr> index;
};
ParsedAccess parse_access(TokenCursor& cursor, const ExprScope& scope);

}  // namespace cnnc
