// A layer or block in a chain: which argument is which, and the values that it takes.
#include <algorithm>

#include "frontend/scope.h"

namespace cnnc::frontend {

namespace {

Signature signature_of(Step& step, Names& names) {
  const auto name = step.element->name.text;
  Signature signature{std::string(name), {}, 0, true};
  const auto block = names.blocks.find(name);
  if (block == names.blocks.end()) {
    step.kind = Step::Kind::layer;
    step.layer = names.language->layers.find(name)->second.get();
    signature.formals = formals_of(step.layer->arguments);
    signature.begins_chain = step.begins_chain;
    const int in_front = step.begins_chain ? 0 : 1;
    signature.operands = step.layer->inputs < 0 ? -1 : std::max(step.layer->inputs - in_front, 0);
    return signature;
  }
  const auto index = static_cast<std::size_t>(block->second);
  step.kind = Step::Kind::block;
  step.index = block->second;
  names.used[index] = true;
  for (const BlockParameter& parameter : names.definitions[index]->parameters) {
    Formal formal{std::string(parameter.name.text), true, {}};
    if (parameter.fallback) formal.fallback = format(*parameter.fallback);
    signature.formals.push_back(std::move(formal));
  }
  return signature;
}

void mark_used(const Step& step, Scope& scope) {
  for (const Argument& argument : step.element->arguments) {
    for (const Term& term : argument.value.terms) {
      if (term.kind != Term::Kind::word) continue;
      scope.use_parameter(term.text);
      if (!step.arguments.ok) scope.use_value(term.text);  // a use, though in a wrong place
    }
  }
}

class OperandResolver {
 public:
  OperandResolver(const Expression& expression, std::string_view callee, Scope& scope,
                  Mistakes& mistakes)
      : expression_(expression), callee_(callee), scope_(scope), mistakes_(mistakes) {}

  // False where a mistake was reported.
  bool run(Operand& operand) {
    operand.expression = &expression_;
    if (expression_.terms.empty()) return true;  // reported by the parser
    const auto example = fmt::format("name it first: `x = ... -> relu`, then `{}(x)`", callee_);
    const Term* word = expression_.word();
    if (!word) return report(fmt::format("`{}` takes names of values here", callee_), example);
    operand.parameter = scope_.use_parameter(word->text);
    if (operand.parameter >= 0) return true;
    operand.slot = scope_.use_value(word->text);
    if (operand.slot >= 0) return true;
    if (const auto later = scope_.later.find(word->text); later != scope_.later.end()) {
      return report(fmt::format("`{}` is used before it is defined in line {}", word->text,
                                later->second.line),
                    {});
    }
    std::vector<std::string> candidates;
    if (mistakes_.wants_suggestions()) scope_.add_values(candidates);
    const auto near = mistakes_.suggest(word->text, candidates);
    return report(fmt::format("unknown value `{}`", word->text), near.empty() ? example : near);
  }

 private:
  bool report(std::string message, std::string hint) {
    mistakes_.add(expression_.location, std::move(message), std::move(hint));
    scope_.unclear = true;
    return false;
  }

  const Expression& expression_;
  std::string_view callee_;
  Scope& scope_;
  Mistakes& mistakes_;
};

}  // namespace

void resolve_use(Step& step, Scope& scope, Names& names, Mistakes& mistakes) {
  const Signature signature = signature_of(step, names);
  step.arguments = bind_arguments(*step.element, signature, mistakes);
  mark_used(step, scope);
  for (const Expression* expression : step.arguments.operands) {
    OperandResolver resolver(*expression, signature.name, scope, mistakes);
    step.operands.emplace_back();
    if (!resolver.run(step.operands.back())) step.arguments.ok = false;
  }
  if (step.kind == Step::Kind::block) {
    for (const Expression* expression : step.arguments.values) {
      const Term* word = expression ? expression->word() : nullptr;
      const bool value = word && !scope.parameters.contains(word->text);
      step.slots.push_back(value ? scope.use_value(word->text) : -1);
    }
  }
  if (!step.arguments.ok) step.kind = Step::Kind::unknown;
}

}  // namespace cnnc::frontend
