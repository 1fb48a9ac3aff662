// Positional arguments in the order of the table, then named ones.
#include <algorithm>

#include "frontend/arguments.h"

namespace cnnc::frontend {

namespace {

// A fallback that nobody could write (a size of 0) stands for something that the layer works out.
std::string shown_fallback(const ArgumentDef& def) {
  const AttributeValue& value = *def.fallback;
  if (!violated_range(value, def).empty()) return "...";
  if (const auto* size = std::get_if<std::vector<std::int64_t>>(&value)) {
    return fmt::format("{}", fmt::join(*size, "x"));
  }
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return to_string(value);
}

std::size_t least_operands(const Signature& signature) {
  if (signature.operands >= 0) return static_cast<std::size_t>(signature.operands);
  return signature.begins_chain ? 2 : 1;
}

class Binding {
 public:
  Binding(const Element& element, const Signature& signature, Mistakes& mistakes)
      : element_(element), signature_(signature), mistakes_(mistakes) {
    bound_.values.resize(signature.formals.size());
  }

  Bound run() {
    for (const Argument& argument : element_.arguments) {
      if (argument.name) {
        named_seen_ = true;
        named(argument);
      } else {
        positional(argument);
      }
    }
    if (!element_.broken) missing();
    return std::move(bound_);
  }

 private:
  void report(Location location, std::string message, std::string hint) {
    mistakes_.add(location, std::move(message), std::move(hint));
    bound_.ok = false;
  }
  std::string hint() const { return "it is written " + written(signature_); }

  void positional(const Argument& argument) {
    const int operands = signature_.operands;
    if (named_seen_) {
      report(argument.value.location, "an argument without a name stands behind one with a name",
             hint());
    } else if (operands < 0 || static_cast<int>(bound_.operands.size()) < operands) {
      bound_.operands.push_back(&argument.value);
    } else {
      while (next_ < signature_.formals.size() && !signature_.formals[next_].positional) ++next_;
      if (next_ == signature_.formals.size()) {
        report(argument.value.location,
               fmt::format("too many arguments without a name for `{}`", signature_.name), hint());
        return;
      }
      bound_.values[next_++] = &argument.value;
    }
  }

  void named(const Argument& argument) {
    const auto& name = argument.name->text;
    const auto duplicate = [&] {
      report(argument.name->location, fmt::format("the argument `{}` is given twice", name), {});
    };
    const auto& formals = signature_.formals;
    const auto found = std::find_if(formals.begin(), formals.end(),
                                    [&](const Formal& f) { return f.name == name; });
    if (found != formals.end()) {
      auto& slot = bound_.values[static_cast<std::size_t>(found - formals.begin())];
      if (slot) return duplicate();
      slot = &argument.value;
    } else if (name == "name" && signature_.takes_name) {
      if (bound_.name) return duplicate();
      bound_.name = &argument.value;
    } else {
      std::vector<std::string> names;
      for (const Formal& f : formals) names.push_back(f.name);
      if (signature_.takes_name) names.emplace_back("name");
      report(argument.name->location,
             fmt::format("`{}` has no argument `{}`", signature_.name, name),
             join_hints(mistakes_.suggest(name, names), hint()));
    }
  }

  void missing() {
    if (signature_.operands != 0 && bound_.operands.size() < least_operands(signature_)) {
      return missing_operands();
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < signature_.formals.size(); ++i) {
      if (!bound_.values[i] && !signature_.formals[i].fallback) {
        names.push_back("`" + signature_.formals[i].name + "`");
      }
    }
    if (names.empty() || !bound_.ok) return;
    report(element_.name.location,
           fmt::format("`{}` needs the argument{} {}", signature_.name, names.size() > 1 ? "s" : "",
                       fmt::join(names, ", ")),
           hint());
  }

  void missing_operands() {
    const Term* only = bound_.operands.size() == 1 ? bound_.operands[0]->word() : nullptr;
    if (!signature_.begins_chain) {
      report(element_.name.location,
             fmt::format("`{}` needs the name of another value", signature_.name), hint());
    } else {
      report(element_.name.location,
             fmt::format("`{}` begins this chain, so it needs the names of {} values{}",
                         signature_.name, least_operands(signature_),
                         signature_.operands < 0 ? " or more" : ""),
             fmt::format("to take in the value of a chain: `input -> {}({})`", signature_.name,
                         only ? only->text : "value"));
    }
  }

  const Element& element_;
  const Signature& signature_;
  Mistakes& mistakes_;
  Bound bound_;
  std::size_t next_ = 0;
  bool named_seen_ = false;
};

}  // namespace

std::vector<Formal> formals_of(const std::vector<ArgumentDef>& arguments) {
  std::vector<Formal> formals;
  for (const ArgumentDef& def : arguments) {
    Formal formal{def.name, def.positional, {}};
    if (def.fallback) formal.fallback = shown_fallback(def);
    formals.push_back(std::move(formal));
  }
  return formals;
}

std::string written(const Signature& signature) {
  std::vector<std::string> parts;
  if (signature.operands != 0) parts.resize(least_operands(signature), "value");
  if (signature.operands < 0) parts.emplace_back("...");
  for (const Formal& formal : signature.formals) {
    if (formal.fallback) {
      parts.push_back(formal.name + "=" + *formal.fallback);
    } else {
      parts.push_back(formal.positional ? formal.name : formal.name + "=...");
    }
  }
  if (signature.takes_name) parts.emplace_back("name=...");
  if (parts.empty()) return "`" + signature.name + "`";
  return fmt::format("`{}({})`", signature.name, fmt::join(parts, ", "));
}

Bound bind_arguments(const Element& element, const Signature& signature, Mistakes& mistakes) {
  return Binding(element, signature, mistakes).run();
}

std::optional<Attributes> check_arguments(const Element& element,
                                          const std::vector<ArgumentDef>& defs,
                                          Mistakes& mistakes) {
  const Signature signature{std::string(element.name.text), formals_of(defs)};
  const Bound bound = bind_arguments(element, signature, mistakes);
  bool ok = bound.ok && !element.broken;
  Attributes attributes;
  for (std::size_t i = 0; i < defs.size(); ++i) {
    const Expression* given = bound.values[i];
    if (!given) {
      if (defs[i].fallback) attributes.set(defs[i].name, *defs[i].fallback);
      continue;
    }
    if (given->terms.empty()) continue;
    const auto value = evaluate(
        *given, [](std::string_view) { return nullptr; }, {}, mistakes);
    const auto converted =
        value ? convert(*value, defs[i], signature.name, *given, {}, {}, mistakes) : std::nullopt;
    if (converted) attributes.set(defs[i].name, *converted);
    ok = ok && converted;
  }
  return ok ? std::optional(attributes) : std::nullopt;
}

}  // namespace cnnc::frontend
