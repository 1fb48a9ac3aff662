// Tokens of the IR texts (graph and loop IR), and the cursor that their parsers read them with. `#`
// starts a comment that lasts to the end of the line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc {

/// word: conv1.weight, %12, @conv1 (letters, digits, '_' and inner dots, perhaps behind one '%' or
/// '@'); number: 12, 1.5, 1e-05, 0.5_f64, 7_u32; string: "..." with \" \\ \n; symbol: one of the
/// punctuation marks, the longest that fits (`->`, `..`, `<=`, `+=` ...).
enum class TokenKind : std::uint8_t { word, number, string, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // as written; of a string without its quotes
  Location location;
};

/// Splits `source`. Bad characters and open strings are reported to `errors` and skipped. Tokens
/// point into source.text. The last is `end`.
std::vector<Token> tokenize(const SourceText& source, std::vector<Diagnostic>& errors);

/// Values of number tokens. Nothing where the text is no such number or it does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_real(std::string_view text);
/// The text of a string token with its escapes resolved; quoted() is the inverse, with quotes.
std::string unescape(std::string_view text);
std::string quoted(std::string_view text);
/// Whether `text` is one word token without '%' or '@', so that it can stand in a text unquoted.
bool is_plain_word(std::string_view text);

/// Thrown by a parser at a mistake, after recording it, to get back to where reading can go on.
/// Never leaves the parser.
struct ParseFailure {};

/// A position in the tokens of a source, with its mistakes so far.
class TokenCursor {
 public:
  explicit TokenCursor(const SourceText& source)
      : source_(source), tokens_(tokenize(source, errors_)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  Token next();  // the end token stays
  bool at_end() const { return peek().kind == TokenKind::end; }
  bool is(std::string_view text, std::size_t ahead = 0) const;  // a word or symbol
  bool accept(std::string_view text);                           // consumes it, if it is next
  Token expect(std::string_view text);                          // ... or fails
  Token expect(TokenKind kind, std::string_view what);
  std::int64_t expect_integer(std::string_view what);  // may have a '-'

  /// Records a mistake.
  void report(const Location& location, std::string message, std::string hint = {});
  /// Records a mistake and throws ParseFailure.
  [[noreturn]] void fail_at(const Token& token, std::string message, std::string hint = {});
  [[noreturn]] void fail_expected(std::string_view what);
  /// Skips what is left of a broken statement: to the first token of a later line or a '}' that
  /// closes more than was opened; blocks that open on the way are skipped whole.
  void skip_statement();
  /// Throws one Error that renders all mistakes in order of place, if there are any.
  void throw_errors() const;

 private:
  const SourceText& source_;
  std::vector<Diagnostic> errors_;
  std::vector<Token> tokens_;
  std::size_t position_ = 0;
};

}  // namespace cnnc
