#include "frontend/token_reader.h"

namespace cnnc::frontend {

std::string shown(const Token& token) {
  if (token.is(TokenKind::end)) return "the end of the text";
  const auto text = token.text.size() > 40 ? std::string(token.text.substr(0, 37)) + "..."
                                           : std::string(token.text);
  return "`" + text + "`";
}

const Token& TokenReader::next() {
  const Token& token = peek();
  if (!token.is(TokenKind::end)) ++at_;
  if (token.is('(')) ++parentheses_;
  if (token.is(')') && parentheses_ > 0) --parentheses_;
  return token;
}

bool TokenReader::accept(char symbol) {
  if (!peek().is(symbol)) return false;
  next();
  return true;
}

bool TokenReader::accept_arrow() {
  if (!peek().is(TokenKind::arrow)) return false;
  next();
  return true;
}

Word TokenReader::word() {
  const Token& token = next();
  return {token.text, token.location};
}

void TokenReader::error(const Token& token, std::string message, std::string hint) {
  mistakes_.add(token.location, std::move(message), std::move(hint));
}

void TokenReader::expected(std::string_view what, std::string hint) {
  const auto after = at_ == 0 ? std::string() : " after " + shown(previous());
  error(peek(), fmt::format("expected {}{}, found {}", what, after, shown(peek())),
        std::move(hint));
}

std::vector<Comment> TokenReader::comments(std::size_t begin, std::size_t end) const {
  const auto before = [&](std::size_t i) { return i == 0 ? 0 : tokens_.tokens[i - 1].comments; };
  if (begin >= end) return {};
  std::vector<Comment> found;
  for (auto i = before(begin); i < before(end); ++i) {
    found.push_back(tokens_.comments[i]);
    if (i >= tokens_.tokens[begin].comments) {
      found.back().trailing = found.back().blank_before = false;
    }
  }
  return found;
}

void TokenReader::skip_balanced() {
  const bool braces = peek().is('{');
  if (!braces && !peek().is('(')) {
    next();
    return;
  }
  std::size_t depth = 0;
  do {
    const Token& token = peek();
    const bool brace = token.is('{') || token.is('}');
    if (brace && !braces) return;
    if (depth > 0 && at_section()) return;
    if (token.is(braces ? '{' : '(')) ++depth;
    if (token.is(braces ? '}' : ')')) --depth;
    next();
  } while (depth > 0 && !at_end());
}

bool TokenReader::at_section() const {
  const auto& token = peek();
  if (!token.is(TokenKind::word)) return false;
  if (token.text == "train") return peek(1).is('{');
  return (token.text == "model" || token.text == "block") && peek(1).is(TokenKind::word) &&
         !peek(1).line_start;
}

}  // namespace cnnc::frontend
