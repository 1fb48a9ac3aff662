// A value as an argument wants it: its kind and its range.
#include <cmath>

#include "frontend/arguments.h"

namespace cnnc::frontend {

namespace {

std::string wanted(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::integer: return "a whole number";
    case ArgumentKind::size2: return "a size such as 3x3 or 3";
    case ArgumentKind::real: return "a number";
    case ArgumentKind::boolean: return "true or false";
    case ArgumentKind::word: return "a word";
  }
  return {};
}

// The value in the type that the argument is stored in; nothing where it does not fit.
std::optional<AttributeValue> as_kind(const AttributeValue& value, ArgumentKind kind) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  switch (kind) {
    case ArgumentKind::integer:
      if (integer) return value;
      break;
    case ArgumentKind::size2: {
      if (integer) return std::vector<std::int64_t>{*integer, *integer};
      const auto* size = std::get_if<std::vector<std::int64_t>>(&value);
      if (size && size->size() == 2) return value;
      break;
    }
    case ArgumentKind::real:
      if (integer) return static_cast<double>(*integer);
      if (std::holds_alternative<double>(value)) return value;
      break;
    case ArgumentKind::boolean:
      if (std::holds_alternative<bool>(value)) return value;
      break;
    case ArgumentKind::word:
      if (std::holds_alternative<std::string>(value)) return value;
      break;
  }
  return std::nullopt;
}

// As it was written, for messages that say what it is: 0x2, 1.5.
std::string shown(const AttributeValue& value) {
  const auto* size = std::get_if<std::vector<std::int64_t>>(&value);
  return size ? fmt::format("{}", fmt::join(*size, "x")) : describe(value);
}

std::string number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15
             ? fmt::format("{}", static_cast<std::int64_t>(value))
             : fmt::format("{}", value);
}

// "at least 1", or nothing where `value` is allowed.
std::string violated_bound(double value, const ArgumentDef& def) {
  if (value < def.low || (def.low_open && value == def.low) || std::isnan(value)) {
    return (def.low_open ? "greater than " : "at least ") + number(def.low);
  }
  if (value > def.high || (def.high_open && value == def.high)) {
    return (def.high_open ? "less than " : "at most ") + number(def.high);
  }
  return {};
}

std::string hint_for(const AttributeValue& value, ArgumentKind kind,
                     const std::vector<std::string>& known, const Mistakes& mistakes) {
  if (const auto* word = std::get_if<std::string>(&value)) return mistakes.suggest(*word, known);
  const auto* real = std::get_if<double>(&value);
  const bool whole = real && *real == std::floor(*real) && std::abs(*real) < 1e9;
  if (whole && (kind == ArgumentKind::integer || kind == ArgumentKind::size2))
    return fmt::format("write `{}`", number(*real));
  return {};
}

}  // namespace

std::string violated_range(const AttributeValue& value, const ArgumentDef& def) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return violated_bound(static_cast<double>(*integer), def);
  }
  if (const auto* real = std::get_if<double>(&value)) return violated_bound(*real, def);
  if (const auto* size = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (const auto part : *size) {
      if (auto bound = violated_bound(static_cast<double>(part), def); !bound.empty()) return bound;
    }
  }
  return {};
}

std::optional<AttributeValue> convert(const Evaluated& evaluated, const ArgumentDef& def,
                                      std::string_view callee, const Expression& expression,
                                      const std::vector<std::string>& known, std::string_view where,
                                      Mistakes& mistakes) {
  const AttributeValue& value = evaluated.value;
  const auto converted = as_kind(value, def.kind);
  if (!converted) {
    mistakes.add(expression.location,
                 fmt::format("`{}` of `{}` is {}, not {}", def.name, callee, wanted(def.kind),
                             describe(value)),
                 join_hints(hint_for(value, def.kind, known, mistakes), std::string(where)));
    return std::nullopt;
  }
  if (const auto size = evaluated.meant_size(); !size.empty() && def.kind == ArgumentKind::size2) {
    mistakes.add(
        expression.location,
        fmt::format("`{}` of `{}` is a size, not the product {}", def.name, callee,
                    describe(value)),
        join_hints(evaluated.factors.size() != 2 ? "a size is written `3x3`"
                   : evaluated.of_numbers        ? fmt::format("did you mean `{}`?", size)
                                          : fmt::format("a parameter can be a size: {}", size),
                   std::string(where)));
    return std::nullopt;
  }
  const auto bound = violated_range(*converted, def);
  if (bound.empty()) return converted;
  mistakes.add(
      expression.location,
      fmt::format("`{}` of `{}` must be {}; it is {}", def.name, callee, bound, shown(value)),
      std::string(where));
  return std::nullopt;
}

}  // namespace cnnc::frontend
