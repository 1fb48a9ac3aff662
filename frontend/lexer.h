// Text -> tokens and comments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/mistakes.h"

namespace cnnc::frontend {

/// A larger text is refused.
inline constexpr std::size_t kMaxModelBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxNameLength = 100;

enum class TokenKind : std::uint8_t {
  word,     // conv
  integer,  // 32
  real,     // 0.5, 1e-4
  size,     // 3x3, 28x28x1: decimal numbers joined by x
  text,     // "fashion-mnist", with its quotes
  arrow,    // -> or the arrow of Unicode
  symbol,   // one of { } ( ) , = + - * /
  end,
};

/// From # to the end of its line, without white space at its end.
struct Comment {
  std::string_view text;
  bool trailing = false;      // stands behind something on its line
  bool blank_before = false;  // an empty line stands in front
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  Location location;
  bool line_start = false;    // the first of its line
  bool blank_before = false;  // an empty line stands in front
  std::size_t comments = 0;   // number of comments in the text before this token

  bool is(TokenKind k) const { return kind == k; }
  bool is(char symbol) const { return kind == TokenKind::symbol && text[0] == symbol; }
};

/// Views into the text that was lexed. The last token is `end`.
struct Tokens {
  std::vector<Token> tokens;
  std::vector<Comment> comments;
};

/// What cannot be part of a model (bytes that are not UTF-8, control characters, stray characters,
/// malformed numbers) is reported and left out.
Tokens lex(std::string_view text, Mistakes& mistakes);

/// Reports bytes that are not UTF-8 and control characters, comments included.
void check_encoding(std::string_view text, Mistakes& mistakes);

/// What a text is that can be no model: "a PNG picture ..."; empty where it may be one.
std::string foreign_kind(std::string_view text);

/// The length of the well-formed UTF-8 sequence at `at` (RFC 3629: no overlong forms, no
/// surrogates), or 0.
std::size_t sequence_length(std::string_view text, std::size_t at);

/// A character beyond ASCII, for messages.
struct Character {
  std::size_t length = 1;
  bool space = false;  // white or invisible
  bool times = false;  // a multiplication sign
  bool arrow = false;
  bool dash = false;
  std::string shown = {};  // "`×` (U+00D7), the multiplication sign"; empty where it is not UTF-8
  std::string_view hint = {};
};
Character character_at(std::string_view text, std::size_t at);

/// Letters, digits and _, not beginning with a digit, of limited length.
bool is_name(std::string_view text);

}  // namespace cnnc::frontend
