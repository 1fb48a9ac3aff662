// The chains of one body: what each begins with, what its elements are, which is the output.
#include "frontend/scope.h"

namespace cnnc::frontend {

namespace {

class BodyResolver {
 public:
  BodyResolver(const Body& body, const std::string& owner, Location owner_location,
               const std::vector<BlockParameter>* parameters, Names& names, Mistakes& mistakes)
      : body_(body),
        owner_(owner),
        owner_location_(owner_location),
        names_(names),
        mistakes_(mistakes),
        is_model_(parameters == nullptr) {
    scope_.unclear = body.broken;
    for (const Statement& statement : body.statements) {
      if (statement.target) {
        scope_.later.emplace(statement.target->text, statement.target->location);
      }
    }
    if (is_model_) return;
    scope_.values.emplace(kInput, Scope::NamedValue{0, owner_location, false});
    for (std::size_t i = 0; i < parameters->size(); ++i) {
      const Word& name = (*parameters)[i].name;
      scope_.parameters.emplace(name.text, Scope::Parameter{static_cast<int>(i), name.location});
    }
  }

  ResolvedBody run() {
    for (const Statement& statement : body_.statements) resolve_statement(statement);
    check_output();
    check_unused();
    return std::move(result_);
  }

 private:
  void report(Location location, std::string message, std::string hint = {}) {
    mistakes_.add(location, std::move(message), std::move(hint));
    scope_.unclear = true;
  }

  void resolve_statement(const Statement& statement) {
    Chain chain;
    for (const Element& element : statement.chain) {
      Step step;
      step.element = &element;
      if (element.name.text.empty()) {
        scope_.unclear = true;
      } else if (chain.steps.empty()) {
        resolve_head(step, statement);
      } else {
        resolve_link(step);
      }
      if (element.broken) {
        step.kind = Step::Kind::unknown;
        scope_.unclear = true;
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

  // A chain begins with the input, a value, or a layer that takes all its values as arguments.
  void resolve_head(Step& step, const Statement& statement) {
    const Element& element = *step.element;
    const auto name = element.name.text;
    if (name == kInput && (element.parentheses || !scope_.values.contains(kInput))) {
      return resolve_model_input(step);
    }
    if (const int slot = scope_.use_value(name); slot >= 0) {
      if (element.parentheses) {
        return report(element.name.location,
                      fmt::format("`{}` is a value; it takes no arguments", name));
      }
      step.kind = name == kInput ? Step::Kind::input : Step::Kind::value;
      step.index = slot;
      return;
    }
    if (scope_.use_parameter(name) >= 0) {
      return report(element.name.location,
                    fmt::format("a chain cannot begin with the parameter `{}`", name));
    }
    if (!names_.is_callable(name)) return undefined(element.name, true);
    step.begins_chain = names_.joins(name);
    resolve_use(step, scope_, names_, mistakes_);
    if (!step.begins_chain) refuse_head(step, statement);
  }

  void refuse_head(Step& step, const Statement& statement) {
    const auto name = step.element->name.text;
    step.kind = Step::Kind::unknown;
    std::string written = fmt::format("{} -> {}", kInput, name);
    if (statement.target) written = fmt::format("{} = {}", statement.target->text, written);
    const std::string from_input =
        is_model_ ? std::string()
                  : fmt::format("to begin with the block's input, write `{}`", written);
    const bool first = statement.target || &statement == &body_.statements.front();
    report(step.element->name.location,
           fmt::format("a chain begins with `{}` or a value; `{}` is a {}",
                       is_model_ ? "input(...)" : kInput, name,
                       names_.blocks.contains(name) ? "block" : "layer"),
           join_hints(from_input, first && !is_model_
                                      ? ""
                                      : "if it goes on from the line above, write `->` before it"));
  }

  void resolve_model_input(Step& step) {
    const Element& element = *step.element;
    const Location location = element.name.location;
    if (!is_model_) {
      return report(location, "the input of a block takes its size from where it is used",
                    "write `input`");
    }
    if (input_) {
      return report(location,
                    fmt::format("a model has one input; the first is in line {}", input_->line));
    }
    input_ = location;
    scope_.values.emplace(kInput, Scope::NamedValue{0, location, true});
    step.kind = Step::Kind::input;
    if (element.broken) return;
    const auto& arguments = element.arguments;
    if (arguments.size() != 1 || arguments[0].name) {
      return report(location, "`input` needs its size",
                    "it is written `input(28x28x1)`: height, width, channels");
    }
    step.arguments.values = {&arguments[0].value};
  }

  // Elements behind an arrow are layers and blocks.
  void resolve_link(Step& step) {
    const Word& name = step.element->name;
    if (names_.is_callable(name.text)) return resolve_use(step, scope_, names_, mistakes_);
    if (name.text == kInput) {
      return report(name.location, "`input` begins a chain; it cannot stand behind `->`");
    }
    if (scope_.use_value(name.text) < 0) return undefined(name, false);
    std::string hint;
    for (const auto& [layer, def] : names_.language->layers) {
      if (def->inputs < 0 && hint.empty()) {
        hint = fmt::format("`{}({})` takes it in", layer, name.text);
      }
    }
    report(name.location, fmt::format("`{}` is a value; behind `->` stands a layer", name.text),
           hint);
  }

  void undefined(const Word& name, bool head) {
    if (const auto later = scope_.later.find(name.text); later != scope_.later.end()) {
      return report(name.location, fmt::format("`{}` is used before it is defined in line {}",
                                               name.text, later->second.line));
    }
    std::vector<std::string> candidates;
    if (mistakes_.wants_suggestions()) {
      candidates = names_.callable;
      if (head) scope_.add_values(candidates);
      if (head && is_model_) candidates.emplace_back(kInput);
    }
    std::string near = mistakes_.suggest(name.text, candidates);
    if (near.empty()) {
      near = names_.relative(name.text, mistakes_);
      if (!head) near = join_hints(near, names_.offer());
    }
    report(name.location,
           fmt::format("{} `{}`", head ? "unknown value" : "unknown layer", name.text), near);
  }

  int define(const Word& target) {
    const int slot = result_.slots++;
    const auto taken = [&](std::string_view by) {
      report(target.location, fmt::format("`{}` cannot name a value: it is {}", target.text, by));
    };
    const auto known = scope_.values.find(target.text);
    if (target.text == kInput) {
      taken("the input");
    } else if (names_.is_callable(target.text)) {
      taken(names_.blocks.contains(target.text) ? "a block" : "a layer");
    } else if (scope_.parameters.contains(target.text)) {
      taken("a parameter of the block");
    } else if (known != scope_.values.end()) {
      report(target.location, fmt::format("`{}` is already defined in line {}", target.text,
                                          known->second.location.line));
    } else {
      scope_.values.emplace(target.text, Scope::NamedValue{slot, target.location, false});
    }
    return slot;
  }

  void check_output() {
    for (std::size_t i = 0; i + 1 < unnamed_.size() && !scope_.unclear; ++i) {
      const Chain& chain = result_.chains[static_cast<std::size_t>(unnamed_[i])];
      mistakes_.add(
          chain.steps[0].element->name.location, "the value of this chain is not used",
          fmt::format("name it (`x = ...`); the last chain without a name is the output of the {}",
                      is_model_ ? "model" : "block"));
    }
    if (!unnamed_.empty()) {
      result_.output = unnamed_.back();
    } else if (!scope_.unclear && body_.statements.empty()) {
      report(owner_location_, fmt::format("{} is empty", owner_),
             is_model_ ? "it begins with `input(28x28x1) -> ...`" : "it needs a layer");
    } else if (!scope_.unclear) {
      report(owner_location_, fmt::format("{} has no output", owner_),
             "the last chain without a name is the output");
    }
  }

  void check_unused() {
    if (scope_.unclear) return;
    for (const auto& [name, value] : scope_.values) {
      if (value.used) continue;
      if (name == kInput) {
        mistakes_.add(value.location, fmt::format("{} does not use its input", owner_),
                      "a chain begins with it: `input -> ...`");
        continue;
      }
      mistakes_.add(value.location, fmt::format("the value `{}` is never used", name),
                    "use it in a later chain, or remove its name");
    }
    for (const auto& [name, parameter] : scope_.parameters) {
      if (parameter.used) continue;
      mistakes_.add(parameter.location, fmt::format("the parameter `{}` is never used", name));
    }
  }

  const Body& body_;
  const std::string& owner_;
  Location owner_location_;
  Names& names_;
  Mistakes& mistakes_;
  bool is_model_;
  Scope scope_;
  std::vector<int> unnamed_;  // chains
  std::optional<Location> input_;
  ResolvedBody result_;
};

}  // namespace

ResolvedBody resolve_body(const Body& body, const std::string& owner, Location owner_location,
                          const std::vector<BlockParameter>* parameters, Names& names,
                          Mistakes& mistakes) {
  return BodyResolver(body, owner, owner_location, parameters, names, mistakes).run();
}

}  // namespace cnnc::frontend
