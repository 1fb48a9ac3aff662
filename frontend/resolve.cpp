#include "frontend/resolve.h"

#include "frontend/scope.h"

namespace cnnc::frontend {

namespace {

constexpr std::size_t kMaxBlockParameters = 64;

// Adds a block's name, unless it is taken.
void declare_block(const BlockSyntax& block, Names& names, Mistakes& mistakes) {
  const Word& name = block.name;
  if (name.text.empty()) return;  // reported by the parser
  if (block.parameters.size() > kMaxBlockParameters) {
    mistakes.add(name.location,
                 fmt::format("the block `{}` has {} parameters; the limit is {}", name.text,
                             block.parameters.size(), kMaxBlockParameters));
    return;
  }
  std::map<std::string_view, Location> seen;
  for (const BlockParameter& parameter : block.parameters) {
    if (!seen.emplace(parameter.name.text, parameter.name.location).second) {
      mistakes.add(parameter.name.location,
                   fmt::format("the parameter `{}` is listed twice", parameter.name.text));
    } else if (parameter.name.text == "input" || parameter.name.text == "name") {
      mistakes.add(parameter.name.location,
                   fmt::format("`{}` has a meaning of its own; call the parameter otherwise",
                               parameter.name.text));
    }
  }
  if (name.text == "input" || names.language->layers.contains(name.text)) {
    mistakes.add(name.location, fmt::format("`{}` cannot name a block: it is {}", name.text,
                                            name.text == "input" ? "the input" : "a layer"));
    return;
  }
  const auto [known, added] =
      names.blocks.emplace(name.text, static_cast<int>(names.definitions.size()));
  if (!added) {
    const auto& first = *names.definitions[static_cast<std::size_t>(known->second)];
    mistakes.add(name.location, fmt::format("the block `{}` is already defined in line {}",
                                            name.text, first.name.location.line));
    return;
  }
  names.definitions.push_back(&block);
  names.callable.emplace_back(name.text);
}

template <class Section>
void take_single(const Section*& place, const Section& section, const Word& word, const Word& first,
                 std::string_view what, Mistakes& mistakes) {
  if (place) {
    mistakes.add(word.location, fmt::format("a text has one {}; the first is in line {}", what,
                                            first.location.line));
  } else {
    place = &section;
  }
}

void declare_sections(const Syntax& syntax, Resolved& resolved, Names& names, Mistakes& mistakes) {
  for (const Section& section : syntax.sections) {
    if (const auto* model = std::get_if<ModelSyntax>(&section.content)) {
      const Word& first = resolved.model ? resolved.model->name : model->name;
      take_single(resolved.model, *model, model->name, first, "model", mistakes);
    } else if (const auto* train = std::get_if<TrainSyntax>(&section.content)) {
      const Word& first = resolved.train ? resolved.train->keyword : train->keyword;
      take_single(resolved.train, *train, train->keyword, first, "train section", mistakes);
    } else {
      declare_block(std::get<BlockSyntax>(section.content), names, mistakes);
    }
  }
}

}  // namespace

std::string Names::relative(std::string_view word, const Mistakes& mistakes) const {
  for (const auto& [name, layer] : language->layers) {
    if (!mistakes.suggest(word, layer->relatives).empty())
      return fmt::format("did you mean `{}`?", name);
  }
  return {};
}

std::string Names::offer() {
  constexpr std::size_t kMost = 30;
  if (offered) return {};
  offered = true;
  const auto shown = std::min(callable.size(), kMost);
  return fmt::format("there are {}{}", fmt::join(std::span(callable).first(shown), ", "),
                     shown < callable.size() ? ", ..." : "");
}

Resolved resolve(const Syntax& syntax, const Language& language, Mistakes& mistakes) {
  Resolved resolved;
  Names names;
  names.language = &language;
  for (const auto& [name, layer] : language.layers) names.callable.push_back(name);
  declare_sections(syntax, resolved, names, mistakes);
  names.used.resize(names.definitions.size());
  for (const BlockSyntax* block : names.definitions) {
    ResolvedBlock result;
    result.syntax = block;
    for (const auto& parameter : block->parameters)
      result.parameters.emplace_back(parameter.name.text);
    result.body = resolve_body(block->body, fmt::format("block `{}`", block->name.text),
                               block->name.location, &block->parameters, names, mistakes);
    resolved.blocks.push_back(std::move(result));
  }
  if (resolved.model) {
    const Word& name = resolved.model->name;
    resolved.body = resolve_body(resolved.model->body, fmt::format("model `{}`", name.text),
                                 name.location, nullptr, names, mistakes);
  }
  const bool complete = resolved.model && !resolved.model->body.broken;
  for (std::size_t i = 0; i < names.used.size() && complete; ++i) {
    if (names.used[i]) continue;
    const Word& name = names.definitions[i]->name;
    mistakes.add(name.location, fmt::format("the block `{}` is never used", name.text),
                 "use it like a layer, or remove it");
  }
  break_cycles(resolved.blocks, mistakes);
  return resolved;
}

}  // namespace cnnc::frontend
