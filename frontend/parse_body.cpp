// Chains and statements: the bodies of models and blocks.
#include "frontend/token_reader.h"

namespace cnnc::frontend {

namespace {

bool ends_statement(const TokenReader& reader) {
  const Token& token = reader.peek();
  return token.is('}') || token.is(TokenKind::end) || reader.at_section() ||
         (token.is(TokenKind::word) && token.line_start);
}

// Behind a mistake: to the next arrow or statement.
void resume(TokenReader& reader) {
  while (!ends_statement(reader) && !reader.peek().is(TokenKind::arrow)) reader.skip_balanced();
}

// `begin`: the position of what belongs to the element, its arrow included.
Element parse_element(TokenReader& reader, std::size_t begin, bool head, Body& body) {
  Element element;
  element.break_before = reader.peek().line_start;
  if (reader.position() > begin) element.break_before |= reader.previous().line_start;
  if (head && reader.peek().is(TokenKind::arrow)) {
    reader.error(reader.peek(), "nothing stands in front of this arrow");
    while (reader.accept_arrow()) {
    }
  }
  const Token& token = reader.peek();
  if (token.is(TokenKind::word) && !reader.at_section()) {
    element.name = reader.word();
    if (reader.accept('(')) {
      element.parentheses = true;
      element.broken = !parse_arguments(reader, element.arguments);
    }
  } else {
    reader.expected("a layer");
    element.name = {"", token.location};
    element.broken = body.broken = true;
    resume(reader);
  }
  element.comments = reader.comments(begin, reader.position());
  return element;
}

// Whether the chain goes on, with what is wrong between two elements reported.
bool continues(TokenReader& reader, Body& body) {
  if (reader.accept_arrow()) return true;
  if (ends_statement(reader)) return false;
  const Token& token = reader.peek();
  if (!token.is(TokenKind::word)) {
    reader.error(token, fmt::format("expected `->` or a new line after {}, found {}",
                                    shown(reader.previous()), shown(token)));
    body.broken = true;
    resume(reader);
    return reader.accept_arrow();
  }
  if (reader.peek(1).is('=')) {
    reader.error(token, "a statement begins on a line of its own");
    return false;
  }
  reader.error(token, fmt::format("`->` is missing before {}", shown(token)));
  return true;
}

Statement parse_statement(TokenReader& reader, Body& body) {
  Statement statement;
  auto begin = reader.position();
  statement.blank_before = reader.peek().blank_before;
  if (reader.peek().is(TokenKind::word) && reader.peek(1).is('=')) {
    statement.target = reader.word();
    reader.next();
  }
  while (true) {
    statement.chain.push_back(parse_element(reader, begin, statement.chain.empty(), body));
    begin = reader.position();
    if (!continues(reader, body)) return statement;
  }
}

}  // namespace

Body parse_body(TokenReader& reader) {
  Body body;
  if (!reader.peek().is('{')) {
    reader.expected("`{`");
    while (!reader.at_end() && !reader.peek().is('{') && !reader.peek().line_start) reader.next();
  }
  body.open = reader.peek().location;
  if (!reader.accept('{')) {
    body.broken = true;
    while (!reader.at_end() && !reader.at_section()) reader.skip_balanced();
    return body;
  }
  while (true) {
    if (reader.peek().is('}')) {
      body.closing = reader.comments(reader.position(), reader.position() + 1);
      reader.next();
      return body;
    }
    if (reader.at_end() || reader.at_section()) {
      if (reader.at_end()) {
        reader.mistakes().add(body.open, "this `{` is never closed", "add `}` where it ends");
      } else {
        reader.error(reader.peek(), fmt::format("`}}` is missing before {}", shown(reader.peek())));
      }
      body.broken = true;
      return body;
    }
    body.statements.push_back(parse_statement(reader, body));
  }
}

}  // namespace cnnc::frontend
