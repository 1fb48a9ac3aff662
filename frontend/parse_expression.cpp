// Expressions and argument lists.
#include "frontend/token_reader.h"

namespace cnnc::frontend {

namespace {

constexpr int kMaxParentheses = 64;

// Appends terms in postfix order; false where it reported something.
bool parse_sum(TokenReader& reader, std::vector<Term>& terms, int depth);

bool parse_primary(TokenReader& reader, std::vector<Term>& terms, int depth) {
  const Token& token = reader.peek();
  const auto take = [&](Term::Kind kind) {
    terms.push_back({kind, token.text, token.location});
    reader.next();
    return true;
  };
  switch (token.kind) {
    case TokenKind::integer: return take(Term::Kind::integer);
    case TokenKind::real: return take(Term::Kind::real);
    case TokenKind::size: return take(Term::Kind::size);
    case TokenKind::text: return take(Term::Kind::text);
    case TokenKind::word:
      if (reader.peek(1).is('(')) {
        reader.error(token, fmt::format("`{}(...)` cannot be an argument", token.text),
                     "name the value first (`x = ... -> relu`), then use the name");
        return false;
      }
      return take(Term::Kind::word);
    default: break;
  }
  if (!token.is('(')) {
    reader.expected("a value");
    return false;
  }
  if (depth >= kMaxParentheses) {
    reader.error(token, fmt::format("parentheses are nested more than {} deep", kMaxParentheses));
    return false;
  }
  reader.next();
  if (!parse_sum(reader, terms, depth + 1)) return false;
  if (reader.accept(')')) return true;
  reader.expected("`)`", reader.peek().is(',') ? "sizes are written 3x3" : "");
  return false;
}

bool parse_factor(TokenReader& reader, std::vector<Term>& terms, int depth) {
  std::vector<Location> signs;
  while (reader.peek().is('-')) signs.push_back(reader.next().location);
  if (!parse_primary(reader, terms, depth)) return false;
  if (signs.size() % 2 == 1) terms.push_back({Term::Kind::negate, "-", signs[0]});
  return true;
}

bool parse_product(TokenReader& reader, std::vector<Term>& terms, int depth) {
  if (!parse_factor(reader, terms, depth)) return false;
  while (reader.peek().is('*') || reader.peek().is('/')) {
    const Token& sign = reader.next();
    if (!parse_factor(reader, terms, depth)) return false;
    terms.push_back(
        {sign.is('*') ? Term::Kind::multiply : Term::Kind::divide, sign.text, sign.location});
  }
  return true;
}

bool parse_sum(TokenReader& reader, std::vector<Term>& terms, int depth) {
  if (!parse_product(reader, terms, depth)) return false;
  while (reader.peek().is('+') || reader.peek().is('-')) {
    const Token& sign = reader.next();
    if (!parse_product(reader, terms, depth)) return false;
    terms.push_back(
        {sign.is('+') ? Term::Kind::add : Term::Kind::subtract, sign.text, sign.location});
  }
  return true;
}

// Behind a mistake: past the list's `)`, or to where the list must have ended. `open` parentheses
// were there before the list's own.
void leave_arguments(TokenReader& reader, std::size_t open) {
  while (!reader.at_end() && reader.parentheses() > open) {
    const Token& token = reader.peek();
    if (token.is('{') || token.is('}') || token.is(TokenKind::arrow)) break;
    if (token.line_start && token.is(TokenKind::word)) break;
    reader.skip_balanced();
  }
  reader.set_parentheses(open);
}

}  // namespace

Expression parse_expression(TokenReader& reader) {
  Expression expression;
  expression.location = reader.peek().location;
  if (!parse_sum(reader, expression.terms, 0)) expression.terms.clear();
  const auto& last = reader.previous().location;
  if (last.line == expression.location.line && last.column > expression.location.column) {
    expression.location.length = last.column + last.length - expression.location.column;
  }
  return expression;
}

bool parse_arguments(TokenReader& reader, std::vector<Argument>& arguments) {
  const auto open = reader.parentheses() - 1;
  if (reader.accept(')')) return true;
  while (true) {
    Argument argument;
    if (reader.peek().is(TokenKind::word) && reader.peek(1).is('=')) {
      argument.name = reader.word();
      reader.next();
    }
    argument.value = parse_expression(reader);
    const bool good = !argument.value.terms.empty();
    arguments.push_back(std::move(argument));
    if (good && reader.accept(')')) return true;
    if (good && reader.accept(',')) continue;
    const bool apart = reader.peek().text == "x" && reader.previous().is(TokenKind::integer);
    if (good) reader.expected("`,` or `)`", apart ? "a size has no blanks: 3x3" : "");
    leave_arguments(reader, open);
    return false;
  }
}

}  // namespace cnnc::frontend
