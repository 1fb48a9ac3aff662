#include "frontend/body_resolver.h"

#include <algorithm>

namespace cnnc::frontend {

namespace {

constexpr std::string_view kInput = "input";

class BodyResolver {
 public:
  BodyResolver(const Body& body, const std::string& owner, Location owner_location,
               const std::vector<BlockParameter>* parameters, Names& names, Mistakes& mistakes)
      : body_(body),
        owner_(owner),
        owner_location_(owner_location),
        names_(names),
        mistakes_(mistakes),
        is_model_(parameters == nullptr),
        broken_(body.broken) {
    if (!parameters) return;
    for (const BlockParameter& parameter : *parameters) {
      parameters_.emplace(parameter.name.text, static_cast<int>(parameters_.size()));
      parameter_list_.push_back(&parameter);
    }
    parameter_used_.resize(parameter_list_.size());
    slots_.emplace(kInput, Slot{0, {}, true});
  }

  ResolvedBody run() {
    for (const Statement& statement : body_.statements) {
      if (statement.target) later_.emplace(statement.target->text, statement.target->location);
    }
    for (const Statement& statement : body_.statements) resolve_statement(statement);
    check_output();
    check_unused();
    return std::move(result_);
  }

 private:
  struct Slot {
    int index = 0;
    Location location;
    bool used = false;
  };

  void report(Location location, std::string message, std::string hint = {}) {
    mistakes_.add(location, std::move(message), std::move(hint));
    broken_ = true;
  }

  void resolve_statement(const Statement& statement) {
    Chain chain;
    for (const Element& element : statement.chain) {
      Step step;
      step.element = &element;
      const bool head = chain.steps.empty();
      if (!element.broken || !element.name.text.empty()) {
        if (head) {
          resolve_head(step);
        } else {
          resolve_link(step);
        }
      }
      if (element.broken) {
        step.kind = Step::Kind::unknown;
        broken_ = true;
      }
      chain.steps.push_back(std::move(step));
    }
    if (statement.target) {
      chain.target = define(*statement.target);
    } else {
      unnamed_.push_back(static_cast<int>(result_.chains.size()));
    }
    result_.chains.push_back(std::move(chain));
  }

  // A chain begins with the model's input, a value, or, in a block, with a layer.
  void resolve_head(Step& step) {
    const Element& element = *step.element;
    const auto name = element.name.text;
    if (name == kInput && (element.parentheses || !slots_.contains(kInput))) {
      return resolve_model_input(step);
    }
    if (const auto found = slots_.find(name); found != slots_.end()) {
      found->second.used = true;
      if (element.parentheses) {
        return report(element.name.location,
                      fmt::format("`{}` is a value; it takes no arguments", name));
      }
      step.kind = name == kInput ? Step::Kind::input : Step::Kind::value;
      step.index = found->second.index;
      return;
    }
    if (const auto parameter = parameters_.find(name); parameter != parameters_.end()) {
      parameter_used_[static_cast<std::size_t>(parameter->second)] = true;
      return report(element.name.location,
                    fmt::format("a chain cannot begin with the parameter `{}`", name));
    }
    if (!callable(name)) return undefined(element.name, true);
    if (is_model_) {
      resolve_callable(step);
      step.kind = Step::Kind::unknown;
      return report(element.name.location,
                    fmt::format("a chain begins with `input(...)` or a value; `{}` is a {}", name,
                                names_.blocks.contains(name) ? "block" : "layer"),
                    "if it goes on from the line above, write `->` before it");
    }
    resolve_callable(step);
  }

  void resolve_model_input(Step& step) {
    const Element& element = *step.element;
    if (!is_model_) {
      return report(element.name.location,
                    "the input of a block takes its size from where it is used", "write `input`");
    }
    if (input_location_) {
      return report(
          element.name.location,
          fmt::format("a model has one input; the first is in line {}", input_location_->line));
    }
    input_location_ = element.name.location;
    slots_.emplace(kInput, Slot{0, element.name.location, true});
    step.kind = Step::Kind::input;
    const Signature signature{"input", {{"28x28x1", true, {}}}};
    const auto& arguments = element.arguments;
    if (!element.broken && (arguments.size() != 1 || arguments[0].name)) {
      return report(element.name.location, "`input` needs its size",
                    "it is written `input(28x28x1)`: height, width, channels");
    }
    if (!element.broken) step.arguments.values = {&arguments[0].value};
  }

  // Elements behind an arrow are layers and blocks.
  void resolve_link(Step& step) {
    const auto& name = step.element->name;
    if (callable(name.text)) return resolve_callable(step);
    if (name.text == kInput) {
      return report(name.location, "`input` begins a chain; it cannot stand behind `->`");
    }
    if (const auto found = slots_.find(name.text); found != slots_.end()) {
      found->second.used = true;
      std::string hint;
      for (const auto& [layer, def] : names_.language->layers) {
        if (def->inputs < 0 && hint.empty())
          hint = fmt::format("`{}({})` takes it in", layer, name.text);
      }
      return report(name.location,
                    fmt::format("`{}` is a value; behind `->` stands a layer", name.text), hint);
    }
    undefined(name, false);
  }

  void add_values(std::vector<std::string>& candidates) const {
    for (const auto& [name, slot] : slots_) candidates.emplace_back(name);
  }

  bool callable(std::string_view name) const {
    return names_.language->layers.contains(name) || names_.blocks.contains(name);
  }

  void undefined(const Word& name, bool head) {
    const auto later = later_.find(name.text);
    if (later != later_.end()) {
      return report(name.location, fmt::format("`{}` is used before it is defined in line {}",
                                               name.text, later->second.line));
    }
    std::vector<std::string> candidates;
    if (mistakes_.wants_suggestions()) {
      candidates = names_.callable;
      if (head) add_values(candidates);
      if (head && is_model_) candidates.emplace_back(kInput);
    }
    report(name.location,
           fmt::format("{} `{}`", head ? "unknown value" : "unknown layer", name.text),
           mistakes_.suggest(name.text, candidates));
  }

  void resolve_callable(Step& step) {
    const Element& element = *step.element;
    const auto name = element.name.text;
    Signature signature{std::string(name), {}, 0, true};
    if (const auto block = names_.blocks.find(name); block != names_.blocks.end()) {
      step.kind = Step::Kind::block;
      step.index = block->second;
      names_.used[static_cast<std::size_t>(block->second)] = true;
      for (const auto& p :
           names_.definitions[static_cast<std::size_t>(block->second)]->parameters) {
        Formal formal{std::string(p.name.text), true, {}};
        if (p.fallback) formal.fallback = format(*p.fallback);
        signature.formals.push_back(std::move(formal));
      }
    } else {
      step.kind = Step::Kind::layer;
      step.layer = names_.language->layers.find(name)->second.get();
      signature.formals = formals_of(step.layer->arguments);
      signature.operands = step.layer->inputs < 0 ? -1 : std::max(step.layer->inputs - 1, 0);
    }
    step.arguments = bind_arguments(element, signature, mistakes_);
    resolve_arguments(step);
    if (!step.arguments.ok) step.kind = Step::Kind::unknown;
  }

  void resolve_arguments(Step& step) {
    for (const Argument& argument : step.element->arguments) {
      for (const Term& term : argument.value.terms) {
        const auto parameter = parameters_.find(term.text);
        if (term.kind == Term::Kind::word && parameter != parameters_.end()) {
          parameter_used_[static_cast<std::size_t>(parameter->second)] = true;
        }
        const auto value = slots_.find(term.text);  // a use, though in a wrong place
        if (!step.arguments.ok && value != slots_.end()) value->second.used = true;
      }
    }
    for (const Expression* expression : step.arguments.operands) {
      step.operands.push_back(resolve_operand(*expression, step));
    }
    if (step.kind != Step::Kind::block) return;
    for (const Expression* expression : step.arguments.values) {
      int slot = -1;
      if (const Term* word = expression ? expression->word() : nullptr) {
        const auto found = slots_.find(word->text);
        if (found != slots_.end() && !parameters_.contains(word->text)) {
          found->second.used = true;
          slot = found->second.index;
        }
      }
      step.slots.push_back(slot);
    }
  }

  Operand resolve_operand(const Expression& expression, Step& step) {
    Operand operand;
    operand.expression = &expression;
    if (expression.terms.empty()) return operand;  // reported by the parser
    const Term* word = expression.word();
    const auto fails = [&](std::string message, std::string hint) {
      report(expression.location, std::move(message), std::move(hint));
      step.arguments.ok = false;
      return operand;
    };
    const auto example =
        fmt::format("name it first: `x = ... -> relu`, then `{}(x)`", step.element->name.text);
    if (!word) {
      return fails(fmt::format("`{}` takes names of values here", step.element->name.text),
                   example);
    }
    if (const auto parameter = parameters_.find(word->text); parameter != parameters_.end()) {
      operand.parameter = parameter->second;
      return operand;
    }
    if (const auto found = slots_.find(word->text); found != slots_.end()) {
      found->second.used = true;
      operand.slot = found->second.index;
      return operand;
    }
    if (const auto later = later_.find(word->text); later != later_.end()) {
      return fails(fmt::format("`{}` is used before it is defined in line {}", word->text,
                               later->second.line),
                   {});
    }
    std::vector<std::string> candidates;
    if (mistakes_.wants_suggestions()) add_values(candidates);
    auto hint = mistakes_.suggest(word->text, candidates);
    return fails(fmt::format("unknown value `{}`", word->text), hint.empty() ? example : hint);
  }

  int define(const Word& target) {
    const int index = result_.slots++;
    const auto taken = [&](std::string_view by) {
      report(target.location, fmt::format("`{}` cannot name a value: it is {}", target.text, by));
    };
    if (target.text == kInput) {
      taken("the input");
    } else if (callable(target.text)) {
      taken(names_.blocks.contains(target.text) ? "a block" : "a layer");
    } else if (parameters_.contains(target.text)) {
      taken("a parameter of the block");
    } else if (const auto found = slots_.find(target.text); found != slots_.end()) {
      report(target.location, fmt::format("`{}` is already defined in line {}", target.text,
                                          found->second.location.line));
    } else {
      slots_.emplace(target.text, Slot{index, target.location, false});
      defined_.push_back(target.text);
    }
    return index;
  }

  void check_output() {
    for (std::size_t i = 0; i + 1 < unnamed_.size(); ++i) {
      const Chain& chain = result_.chains[static_cast<std::size_t>(unnamed_[i])];
      if (chain.steps[0].kind == Step::Kind::unknown) continue;
      mistakes_.add(
          chain.steps[0].element->name.location, "the value of this chain is not used",
          fmt::format("name it (`x = ...`); the last chain without a name is the output of the {}",
                      is_model_ ? "model" : "block"));
    }
    if (!unnamed_.empty()) {
      result_.output = unnamed_.back();
    } else if (!broken_ && body_.statements.empty()) {
      report(owner_location_, fmt::format("{} is empty", owner_),
             is_model_ ? "it begins with `input(28x28x1) -> ...`" : "it needs a layer");
    } else if (!broken_) {
      report(owner_location_, fmt::format("{} has no output", owner_),
             "the last chain without a name is the output");
    }
  }

  // Not where text was skipped or a name was not understood: what is not used may be meant there.
  void check_unused() {
    if (broken_) return;
    for (const auto name : defined_) {
      const Slot& slot = slots_.find(name)->second;
      if (!slot.used) {
        report(slot.location, fmt::format("the value `{}` is never used", name),
               "use it in a later chain, or remove its name");
      }
    }
    for (std::size_t i = 0; i < parameter_list_.size(); ++i) {
      if (parameter_used_[i]) continue;
      const Word& name = parameter_list_[i]->name;
      report(name.location, fmt::format("the parameter `{}` is never used", name.text));
    }
  }

  const Body& body_;
  const std::string& owner_;
  Location owner_location_;
  Names& names_;
  Mistakes& mistakes_;
  bool is_model_;
  bool broken_;  // something was reported
  std::map<std::string_view, int> parameters_;
  std::vector<const BlockParameter*> parameter_list_;
  std::vector<char> parameter_used_;
  std::map<std::string_view, Slot> slots_;
  std::map<std::string_view, Location> later_;  // where a name is defined first
  std::vector<std::string_view> defined_;
  std::vector<int> unnamed_;
  std::optional<Location> input_location_;
  ResolvedBody result_;
};

}  // namespace

ResolvedBody resolve_body(const Body& body, const std::string& owner, Location owner_location,
                          const std::vector<BlockParameter>* parameters, Names& names,
                          Mistakes& mistakes) {
  return BodyResolver(body, owner, owner_location, parameters, names, mistakes).run();
}

}  // namespace cnnc::frontend
