// A position in the tokens, with what the parsers of sections, chains and expressions share.
#pragma once

#include <algorithm>
#include <string>

#include "frontend/ast.h"

namespace cnnc::frontend {

class TokenReader {
 public:
  TokenReader(const Tokens& tokens, Mistakes& mistakes) : tokens_(tokens), mistakes_(mistakes) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_.tokens[std::min(at_ + ahead, tokens_.tokens.size() - 1)];
  }
  const Token& previous() const { return tokens_.tokens[at_ == 0 ? 0 : at_ - 1]; }
  std::size_t position() const { return at_; }
  bool at_end() const { return peek().is(TokenKind::end); }
  const Token& next();
  bool accept(char symbol);
  bool accept_arrow();
  Word word();  // takes a token of any kind

  void error(const Token& token, std::string message, std::string hint = {});
  /// "expected `(` after `block`, found `{`"
  void expected(std::string_view what, std::string hint = {});
  Mistakes& mistakes() { return mistakes_; }

  /// Comments in front of tokens begin .. end - 1. Those inside count as standing on lines of their
  /// own.
  std::vector<Comment> comments(std::size_t begin, std::size_t end) const;

  /// Takes one token, or all of a bracketed text when it opens one (as far as it can belong to it).
  void skip_balanced();
  /// Parentheses that are open here.
  std::size_t parentheses() const { return parentheses_; }
  void set_parentheses(std::size_t open) { parentheses_ = open; }
  /// A word that begins a section: `train {`, `block NAME`, `model NAME`.
  bool at_section() const;

 private:
  const Tokens& tokens_;
  Mistakes& mistakes_;
  std::size_t at_ = 0;
  std::size_t parentheses_ = 0;
};

/// `32`, "end of the text" ...
std::string shown(const Token& token);

/// Sums, products, signs and parentheses. An expression that does not parse is reported and empty.
Expression parse_expression(TokenReader& reader);
/// `(` has been taken; up to its `)`. False where the list had a mistake.
bool parse_arguments(TokenReader& reader, std::vector<Argument>& arguments);
/// Statements up to and including `}`; the next token should be `{`.
Body parse_body(TokenReader& reader);
/// `{ key = value ... }`
TrainSyntax parse_train(TokenReader& reader);

}  // namespace cnnc::frontend
