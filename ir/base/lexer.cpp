#include "ir/base/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace cnnc {
namespace {

constexpr std::size_t kMostErrors = 100;  // of one text

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word_part(char c) { return is_letter(c) || is_digit(c); }

// Longest first.
constexpr std::array<std::string_view, 35> kSymbols{
    "->", "..", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "{",
    "}",  "(",  ")",  "[",  "]",  ",",  ":",  ";",  "=",  "<",  ">",  "+",
    "-",  "*",  "/",  "%",  "&",  "|",  "^",  "!",  "?",  ".",  "~",
};

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<Diagnostic>& errors) : text_(text), errors_(errors) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (skip_blanks(); position_ < text_.size(); skip_blanks())
      if (auto token = read()) tokens.push_back(*token);
    tokens.push_back({TokenKind::end, {}, place(position_, 1)});
    return tokens;
  }

 private:
  char at(std::size_t position) const { return position < text_.size() ? text_[position] : '\0'; }

  Location place(std::size_t begin, std::size_t length) const {
    return {line_, begin - line_begin_ + 1, std::max<std::size_t>(length, 1)};
  }

  void skip_blanks() {
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '#') {
        position_ = std::min(text_.find('\n', position_), text_.size());
        if (position_ == text_.size()) return;
      }
      if (text_[position_] == '\n') {
        ++line_;
        line_begin_ = position_ + 1;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  Token take(TokenKind kind, std::size_t length) {
    const Token token{kind, text_.substr(position_, length), place(position_, length)};
    position_ += length;
    return token;
  }

  std::optional<Token> read() {
    const char c = text_[position_];
    const bool sigil = c == '%' || c == '@';
    if (is_letter(c) || (sigil && is_word_part(at(position_ + 1))))
      return take(TokenKind::word, word_length());
    if (is_digit(c)) return take(TokenKind::number, number_length());
    if (c == '"') return read_string();
    for (const auto symbol : kSymbols)
      if (text_.substr(position_).starts_with(symbol))
        return take(TokenKind::symbol, symbol.size());
    if (errors_.size() < kMostErrors)
      errors_.push_back({place(position_, 1), "this character has no meaning here", ""});
    ++position_;
    return std::nullopt;
  }

  std::size_t word_length() const {
    auto end = position_ + 1;
    while (is_word_part(at(end)) || (at(end) == '.' && is_word_part(at(end + 1)))) ++end;
    return end - position_;
  }

  std::size_t number_length() const {
    auto end = position_;
    while (is_digit(at(end))) ++end;
    if (at(end) == '.' && is_digit(at(end + 1))) {
      ++end;
      while (is_digit(at(end))) ++end;
    }
    if (at(end) == 'e' || at(end) == 'E') {
      const auto sign = at(end + 1) == '-' || at(end + 1) == '+' ? end + 2 : end + 1;
      if (is_digit(at(sign))) end = sign;
    }
    while (is_word_part(at(end))) ++end;  // the exponent's digits and a suffix
    return end - position_;
  }

  std::optional<Token> read_string() {
    auto end = position_ + 1;
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\n')
      end += text_[end] == '\\' && at(end + 1) != '\n' ? 2 : 1;
    end = std::min(end, text_.size());
    if (at(end) != '"') {
      if (errors_.size() < kMostErrors)
        errors_.push_back({place(position_, end - position_), "this string has no end",
                           "close it with '\"' on the same line"});
      position_ = end;
      return std::nullopt;
    }
    const Token token{TokenKind::string, text_.substr(position_ + 1, end - position_ - 1),
                      place(position_, end + 1 - position_)};
    position_ = end + 1;
    return token;
  }

  std::string_view text_;
  std::vector<Diagnostic>& errors_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;
};

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

}  // namespace

std::vector<Token> tokenize(const SourceText& source, std::vector<Diagnostic>& errors) {
  return Lexer(source.text, errors).run();
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  return parse_whole<std::int64_t>(text);
}
std::optional<double> parse_real(std::string_view text) { return parse_whole<double>(text); }

std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
    } else {
      ++i;
      result += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return result;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + '"';
}

bool is_plain_word(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const bool inner_dot = text[i] == '.' && i + 1 < text.size() && is_word_part(text[i + 1]);
    if (!is_word_part(text[i]) && !inner_dot) return false;
  }
  return true;
}

Token TokenCursor::next() {
  const auto token = peek();
  if (token.kind != TokenKind::end) ++position_;
  return token;
}

bool TokenCursor::is(std::string_view text, std::size_t ahead) const {
  const auto& token = peek(ahead);
  return (token.kind == TokenKind::word || token.kind == TokenKind::symbol) && token.text == text;
}

bool TokenCursor::accept(std::string_view text) {
  if (!is(text)) return false;
  ++position_;
  return true;
}

Token TokenCursor::expect(std::string_view text) {
  if (!is(text)) fail_expected(fmt::format("'{}'", text));
  return next();
}

Token TokenCursor::expect(TokenKind kind, std::string_view what) {
  if (peek().kind != kind) fail_expected(what);
  return next();
}

std::int64_t TokenCursor::expect_integer(std::string_view what) {
  const bool negative = accept("-");
  const auto token = expect(TokenKind::number, what);
  const auto value =
      parse_integer(negative ? "-" + std::string(token.text) : std::string(token.text));
  if (!value)
    fail_at(token, fmt::format("'{}' is not an integer of 64 bits", token.text),
            fmt::format("expected {}", what));
  return *value;
}

void TokenCursor::report(const Location& location, std::string message, std::string hint) {
  if (errors_.size() < kMostErrors)
    errors_.push_back({location, std::move(message), std::move(hint)});
}

void TokenCursor::fail_at(const Token& token, std::string message, std::string hint) {
  report(token.location, std::move(message), std::move(hint));
  throw ParseFailure{};
}

void TokenCursor::fail_expected(std::string_view what) {
  const auto& token = peek();
  fail_at(token,
          token.kind == TokenKind::end ? "the text ends here"
                                       : fmt::format("'{}' cannot stand here", token.text),
          fmt::format("expected {}", what));
}

void TokenCursor::skip_statement() {
  const auto line = position_ > 0 ? tokens_[position_ - 1].location.line : peek().location.line;
  for (int depth = 0; !at_end() && (depth > 0 || peek().location.line == line); next()) {
    if (is("{")) ++depth;
    if (is("}") && --depth < 0) return;
  }
}

void TokenCursor::throw_errors() const {
  if (errors_.empty()) return;
  auto sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.location.line, a.location.column) <
           std::pair(b.location.line, b.location.column);
  });
  std::string text;
  for (const auto& error : sorted) text += (text.empty() ? "" : "\n") + render(source_, error);
  throw Error(text);
}

}  // namespace cnnc
