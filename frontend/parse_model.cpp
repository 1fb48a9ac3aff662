// The front end in order: bytes -> tokens -> syntax -> names -> layers -> settings. Each step goes
// on behind mistakes, so that a text's mistakes are reported together.
#include "frontend/expand.h"
#include "frontend/lexer.h"
#include "frontend/token_reader.h"

namespace cnnc {

namespace frontend {
namespace {

// Without a byte order mark, and with \n at the end of every line: positions count in this text.
std::string normalised(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    result += text[i];
  }
  return result;
}

// A text that begins with no section and makes more mistakes than this is none of ours.
constexpr std::size_t kMostBeforeForeign = 8;

// A file of another kind is one mistake.
void refuse_foreign(const SourceText& source) {
  const std::string kind = foreign_kind(source.text);
  if (kind.empty()) return;
  throw Error(render(source, {{},
                              fmt::format("no model: this file is {}. A model is a text, `model "
                                          "NAME {{ input(28x28x1) -> ... }}`",
                                          kind),
                              {}}));
}

void refuse_foreign(const SourceText& source, const Tokens& tokens, const Mistakes& mistakes) {
  const Token& first = tokens.tokens.front();
  const std::vector<std::string> sections{"model", "block", "train"};
  if (mistakes.count() <= kMostBeforeForeign || first.is(TokenKind::end)) return;
  for (const auto& section : sections)
    if (first.text == section) return;
  if (!closest(first.text, sections).empty()) return;
  Mistakes one;
  one.add(first.location, fmt::format("this is no model: it begins with {}", shown(first)),
          first.text == "graph" || first.text == "program"
              ? fmt::format("a text of the compiler is read from a file named FILE.{}",
                            first.text == "graph" ? "graph" : "loops")
              : "a model is written `model NAME { input(28x28x1) -> ... }`");
  one.raise(source);
}

void report_missing_model(const Syntax& syntax, Mistakes& mistakes) {
  const bool empty = syntax.sections.empty() && syntax.closing.empty();
  mistakes.add({1, 1, 1}, empty ? "the text is empty" : "the text has no model",
               "a model is written `model NAME { input(28x28x1) -> ... }`");
}

// Loss and batch with which shapes are checked.
void check_model(const Resolved& resolved, const Language& language, Model& model,
                 Mistakes& mistakes) {
  if (resolved.train) model.train = check_train(*resolved.train, language, mistakes);
  if (!resolved.model) return;
  Expansion expansion = expand(resolved, language, model.train ? model.train->batch : 1, mistakes);
  if (resolved.train) {
    check_loss(*resolved.train, *model.train, language, expansion, mistakes);
  }
  model.name = std::string(resolved.model->name.text);
  model.input = std::move(expansion.input);
  model.layers = std::move(expansion.layers);
  model.output = expansion.output;
}

}  // namespace
}  // namespace frontend

Model parse_model(const SourceText& source, const Language& language) {
  using namespace frontend;
  Model model;
  Mistakes mistakes;
  if (source.text.size() > kMaxModelBytes) {
    mistakes.add({}, fmt::format("the text has {} bytes; the limit is {}", source.text.size(),
                                 kMaxModelBytes));
    mistakes.raise(source);
  }
  refuse_foreign(source);
  model.source = {source.name, normalised(source.text)};
  check_encoding(model.source.text, mistakes);
  const Tokens tokens = lex(model.source.text, mistakes);
  const Syntax syntax = parse_syntax(tokens, mistakes);
  refuse_foreign(model.source, tokens, mistakes);
  const Resolved resolved = resolve(syntax, language, mistakes);
  if (!resolved.model && !mistakes.any()) report_missing_model(syntax, mistakes);
  check_model(resolved, language, model, mistakes);
  if (mistakes.any()) mistakes.raise(model.source);
  CNNC_CHECK(model.output >= 0, "the model `{}` has no output", model.name);
  model.canonical = format(syntax);
  return model;
}

}  // namespace cnnc
