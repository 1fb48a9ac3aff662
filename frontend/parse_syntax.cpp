// Sections: model, block, train.
#include "frontend/token_reader.h"

namespace cnnc::frontend {

namespace {

constexpr std::string_view kSections = "`model`, `block` or `train`";

Word parse_section_name(TokenReader& reader) {
  const Location keyword = reader.next().location;
  if (reader.peek().is(TokenKind::word)) return reader.word();
  reader.expected("a name");
  return {"", keyword};
}

std::vector<BlockParameter> parse_block_parameters(TokenReader& reader) {
  std::vector<BlockParameter> parameters;
  if (!reader.accept('(') || reader.accept(')')) return parameters;
  while (true) {
    if (!reader.peek().is(TokenKind::word)) {
      reader.expected("the name of a parameter");
      break;
    }
    BlockParameter parameter{reader.word(), {}};
    if (reader.accept('=')) parameter.fallback = parse_expression(reader);
    const bool good = !parameter.fallback || !parameter.fallback->terms.empty();
    parameters.push_back(std::move(parameter));
    if (good && reader.accept(')')) return parameters;
    if (good && reader.accept(',')) continue;
    if (good) reader.expected("`,` or `)`");
    break;
  }
  while (!reader.at_end() && !reader.peek().is('{') && !reader.at_section()) reader.next();
  reader.set_parentheses(0);
  return parameters;
}

// `fashion-mnist`: words and numbers joined by - without space between.
Word parse_joined_word(TokenReader& reader) {
  Word word = reader.word();
  const auto end = [&] { return word.text.data() + word.text.size(); };
  while (reader.peek().is('-') && reader.peek().text.data() == end()) {
    const Token& part = reader.peek(1);
    if (!part.is(TokenKind::word) && !part.is(TokenKind::integer)) break;
    if (part.text.data() != end() + 1) break;
    word.text = {word.text.data(), word.text.size() + 1 + part.text.size()};
    word.location.length = word.text.size();
    reader.next();
    reader.next();
  }
  return word;
}

// False where it reported something.
bool parse_setting(TokenReader& reader, TrainEntry& entry) {
  if (!reader.peek().is(TokenKind::word)) {
    reader.expected("a setting such as `batch = 128`");
    return false;
  }
  entry.key = reader.word();
  if (!reader.accept('=')) {
    reader.expected("`=`");
    return false;
  }
  if (reader.peek().is(TokenKind::word) && reader.peek(1).is('=')) {
    reader.expected("a value");
    return false;
  }
  if (!reader.peek().is(TokenKind::word)) {
    entry.value = parse_expression(reader);
    return !entry.value.terms.empty();
  }
  entry.choice.emplace();
  entry.choice->name = parse_joined_word(reader);
  if (!reader.accept('(')) return true;
  entry.choice->parentheses = true;
  entry.choice->broken = !parse_arguments(reader, entry.choice->arguments);
  return !entry.choice->broken;
}

// Behind a mistake: to the next setting.
void leave_setting(TokenReader& reader) {
  while (!reader.at_end() && !reader.peek().is('}') && !reader.at_section() &&
         !(reader.peek().is(TokenKind::word) && reader.peek(1).is('='))) {
    reader.skip_balanced();
  }
}

// `modle m {`: what could be a section with a slip in its first word.
bool like_section(const TokenReader& reader) {
  if (!reader.peek().is(TokenKind::word) || !reader.peek().line_start) return false;
  if (reader.peek(1).is('{')) return true;
  return reader.peek(1).is(TokenKind::word) && (reader.peek(2).is('{') || reader.peek(2).is('('));
}

void skip_to_section(TokenReader& reader) {
  while (!reader.at_end() && !reader.at_section() && !like_section(reader)) reader.skip_balanced();
}

void parse_section(TokenReader& reader, Syntax& syntax) {
  const auto begin = reader.position();
  const auto keyword = reader.peek().text;
  Section section;
  section.blank_before = reader.peek().blank_before;
  const auto take_comments = [&] {
    section.comments = reader.comments(begin, reader.position() + 1);
  };
  if (keyword == "model") {
    ModelSyntax model{parse_section_name(reader), {}};
    take_comments();
    model.body = parse_body(reader);
    section.content = std::move(model);
  } else if (keyword == "block") {
    BlockSyntax block{parse_section_name(reader), parse_block_parameters(reader), {}};
    take_comments();
    block.body = parse_body(reader);
    section.content = std::move(block);
  } else {
    reader.next();
    take_comments();
    section.content = parse_train(reader);
  }
  syntax.sections.push_back(std::move(section));
}

}  // namespace

TrainSyntax parse_train(TokenReader& reader) {
  TrainSyntax train;
  train.keyword = {reader.previous().text, reader.previous().location};
  const Location open = reader.peek().location;
  if (!reader.accept('{')) {
    reader.expected("`{`");
    train.broken = true;
    skip_to_section(reader);
    return train;
  }
  while (true) {
    const auto begin = reader.position();
    while (reader.accept(',')) {
    }
    if (reader.peek().is('}')) {
      train.closing = reader.comments(begin, reader.position() + 1);
      reader.next();
      return train;
    }
    if (reader.at_end() || reader.at_section()) {
      if (reader.at_end()) {
        reader.mistakes().add(open, "this `{` is never closed", "add `}` where it ends");
      } else {
        reader.error(reader.peek(), fmt::format("`}}` is missing before {}", shown(reader.peek())));
      }
      train.broken = true;
      return train;
    }
    TrainEntry entry;
    entry.blank_before = reader.peek().blank_before;
    if (!parse_setting(reader, entry)) {
      train.broken = true;
      leave_setting(reader);
    }
    entry.comments = reader.comments(begin, reader.position());
    train.entries.push_back(std::move(entry));
  }
}

Syntax parse_syntax(const Tokens& tokens, Mistakes& mistakes) {
  Syntax syntax;
  TokenReader reader(tokens, mistakes);
  while (!reader.at_end()) {
    const Token& token = reader.peek();
    if (token.text == "model" || token.text == "block" || token.text == "train") {
      parse_section(reader, syntax);
      continue;
    }
    const std::vector<std::string> words{"model", "block", "train"};
    reader.error(token, fmt::format("expected {}, found {}", kSections, shown(token)),
                 token.is(TokenKind::word) ? mistakes.suggest(token.text, words) : std::string());
    reader.skip_balanced();
    skip_to_section(reader);
  }
  syntax.closing = reader.comments(reader.position(), reader.position() + 1);
  return syntax;
}

}  // namespace cnnc::frontend
