// The syntax of a model text, as written: what the formatter prints and the checker resolves.
//
//   file      = { "model" NAME body | "block" NAME "(" [NAME ["=" expr] {"," ...}] ")" body | train
//   } body      = "{" { statement } "}"                   a statement begins on a line of its own
//   statement = [NAME "="] element { "->" element }
//   element   = NAME [ "(" [argument {"," argument}] ")" ]
//   argument  = [NAME "="] expr
//   train     = "train" "{" { NAME "=" (expr | element) [","] } "}"
//   expr      = numbers, sizes, words, "text", + - * / and parentheses
//
// All views point into the text, which must outlive the tree.
#pragma once

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "frontend/lexer.h"

namespace cnnc::frontend {

struct Word {
  std::string_view text;
  Location location;
};

/// One step of an expression in postfix order, so that no expression is deep.
struct Term {
  enum class Kind : std::uint8_t {
    integer,
    real,
    size,
    word,
    text,
    negate,
    add,
    subtract,
    multiply,
    divide
  };
  Kind kind = Kind::integer;
  std::string_view text;
  Location location;
};

struct Expression {
  std::vector<Term> terms;  // postfix; empty: it could not be parsed, which has been reported
  Location location;

  /// The word that this is, if it is only that.
  const Term* word() const {
    return terms.size() == 1 && terms[0].kind == Term::Kind::word ? &terms[0] : nullptr;
  }
};

struct Argument {
  std::optional<Word> name;
  Expression value;
};

/// `conv(32, 3x3, pad=1)`, or `skip`.
struct Element {
  Word name;
  bool parentheses = false;
  std::vector<Argument> arguments;
  bool broken = false;            // has a reported mistake: what depends on it is not checked
  bool break_before = false;      // begins a line
  std::vector<Comment> comments;  // in front
};

struct Statement {
  std::optional<Word> target;
  std::vector<Element> chain;  // not empty
  bool blank_before = false;
};

struct Body {
  Location open;  // of its brace
  std::vector<Statement> statements;
  std::vector<Comment> closing;  // before its closing brace
  bool broken = false;           // text was skipped: names may be missing here
};

struct ModelSyntax {
  Word name;
  Body body;
};

struct BlockParameter {
  Word name;
  std::optional<Expression> fallback;
};

struct BlockSyntax {
  Word name;
  std::vector<BlockParameter> parameters;
  Body body;
};

/// `optimizer = sgd(lr=0.01)`: a word (possibly with arguments) is `choice`, anything else `value`.
struct TrainEntry {
  Word key;
  std::optional<Element> choice;
  Expression value;
  bool blank_before = false;
  std::vector<Comment> comments;
};

struct TrainSyntax {
  Word keyword;
  std::vector<TrainEntry> entries;
  std::vector<Comment> closing;
  bool broken = false;
};

struct Section {
  std::variant<ModelSyntax, BlockSyntax, TrainSyntax> content;
  std::vector<Comment> comments;
  bool blank_before = false;
};

struct Syntax {
  std::vector<Section> sections;
  std::vector<Comment> closing;
};

/// Reports what is not in the grammar and goes on behind it. Recursion is bounded.
Syntax parse_syntax(const Tokens& tokens, Mistakes& mistakes);

/// The canonical text; format(parse(format(s))) == format(s).
std::string format(const Syntax& syntax);
std::string format(const Expression& expression);

}  // namespace cnnc::frontend
