// Expressions -> values -> what an argument accepts.
#include <charconv>
#include <cmath>

#include "frontend/arguments.h"

namespace cnnc::frontend {

namespace {

class Evaluation {
 public:
  Evaluation(const Lookup& lookup, const std::vector<std::string>& known, Mistakes& mistakes)
      : lookup_(lookup), known_(known), mistakes_(mistakes) {}

  std::optional<Evaluated> run(const Expression& expression) {
    for (const Term& term : expression.terms) {
      if (!step(term)) return std::nullopt;
    }
    if (stack_.size() != 1) return std::nullopt;  // could not be parsed
    return std::move(stack_.back().value);
  }

 private:
  struct Item {
    Evaluated value;
    const Term* term;  // that it comes from, for messages
  };

  bool report(const Term& term, std::string message, std::string hint = {}) {
    mistakes_.add(term.location, std::move(message), std::move(hint));
    return false;
  }
  bool push(const Term& term, AttributeValue value) {
    stack_.push_back({{.value = std::move(value), .use = {}}, &term});
    return true;
  }

  bool step(const Term& term) {
    switch (term.kind) {
      case Term::Kind::integer: {
        std::int64_t value = 0;
        if (!integer(term, term.text, value)) return false;
        stack_.push_back(
            {{.value = value, .use = {}, .factors = {value}, .of_numbers = true}, &term});
        return true;
      }
      case Term::Kind::real: return real(term);
      case Term::Kind::size: return size(term);
      case Term::Kind::text:
        return push(term, std::string(term.text.substr(1, term.text.size() - 2)));
      case Term::Kind::word: return word(term);
      case Term::Kind::negate: return negate(term);
      default: return arithmetic(term);
    }
  }

  bool integer(const Term& term, std::string_view text, std::int64_t& value) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec == std::errc()) return true;
    return report(term, "this number is too large", "whole numbers go up to 9223372036854775807");
  }

  bool real(const Term& term) {
    double value = 0;
    const auto result =
        std::from_chars(term.text.data(), term.text.data() + term.text.size(), value);
    if (result.ec == std::errc()) return push(term, value);
    return report(term, "this number is out of the range of floating point");
  }

  bool size(const Term& term) {
    std::vector<std::int64_t> values;
    auto rest = term.text;
    while (true) {
      const auto end = std::min(rest.find('x'), rest.size());
      values.emplace_back();
      if (!integer(term, rest.substr(0, end), values.back())) return false;
      if (end == rest.size()) return push(term, std::move(values));
      rest.remove_prefix(end + 1);
    }
  }

  bool word(const Term& term) {
    if (const Evaluated* found = lookup_(term.text)) {
      stack_.push_back({*found, &term});
      Evaluated& value = stack_.back().value;
      const auto* integer = std::get_if<std::int64_t>(&value.value);
      if (integer && value.meant_size().empty()) {
        value.factors = {*integer};
        value.of_numbers = false;
      }
      return true;
    }
    if (term.text == "true" || term.text == "false") return push(term, term.text == "true");
    return push(term, std::string(term.text));
  }

  bool number(const Item& item) {
    const auto& value = item.value.value;
    if (std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value)) {
      return true;
    }
    const auto* word = std::get_if<std::string>(&value);
    if (word && item.term->kind == Term::Kind::word && *word == item.term->text) {
      return report(*item.term, fmt::format("`{}` is not defined", *word),
                    join_hints(mistakes_.suggest(*word, known_),
                               "arithmetic works on numbers and parameters of the block"));
    }
    return report(*item.term,
                  fmt::format("arithmetic works on numbers, not on {}", describe(value)));
  }

  bool negate(const Term& term) {
    Item& top = stack_.back();
    if (!number(top)) return false;
    if (auto* integer = std::get_if<std::int64_t>(&top.value.value)) {
      std::int64_t result = 0;
      if (__builtin_sub_overflow(std::int64_t{0}, *integer, &result)) return overflow(term);
      *integer = result;
      top.value.factors.clear();
    } else {
      top.value.value = -std::get<double>(top.value.value);
    }
    return true;
  }

  bool overflow(const Term& term) { return report(term, "the result is too large"); }

  bool arithmetic(const Term& term) {
    const Item right = std::move(stack_.back());
    stack_.pop_back();
    Item& left = stack_.back();
    if (!number(left) || !number(right)) return false;
    const auto* a = std::get_if<std::int64_t>(&left.value.value);
    const auto* b = std::get_if<std::int64_t>(&right.value.value);
    if (!a || !b) return real_arithmetic(term, left, right);
    std::int64_t result = 0;
    switch (term.kind) {
      case Term::Kind::add:
        if (__builtin_add_overflow(*a, *b, &result)) return overflow(term);
        break;
      case Term::Kind::subtract:
        if (__builtin_sub_overflow(*a, *b, &result)) return overflow(term);
        break;
      case Term::Kind::multiply:
        if (__builtin_mul_overflow(*a, *b, &result)) return overflow(term);
        break;
      default:
        if (*b == 0) return report(term, "division by zero");
        if (*b == -1) {
          if (__builtin_sub_overflow(std::int64_t{0}, *a, &result)) return overflow(term);
          break;
        }
        if (*a % *b != 0) {
          return report(term, fmt::format("{} / {} is not a whole number", *a, *b));
        }
        result = *a / *b;
    }
    Dims factors;
    if (term.kind == Term::Kind::multiply && left.value.of_numbers == right.value.of_numbers) {
      factors = left.value.factors;
      factors.insert(factors.end(), right.value.factors.begin(), right.value.factors.end());
      if (left.value.factors.empty() || right.value.factors.empty()) factors.clear();
    }
    left.value = {.value = result,
                  .use = {},
                  .factors = std::move(factors),
                  .of_numbers = left.value.of_numbers};
    return true;
  }

  bool real_arithmetic(const Term& term, Item& left, const Item& right) {
    const auto as_real = [](const Item& item) {
      const auto* integer = std::get_if<std::int64_t>(&item.value.value);
      return integer ? static_cast<double>(*integer) : std::get<double>(item.value.value);
    };
    const double a = as_real(left);
    const double b = as_real(right);
    if (term.kind == Term::Kind::divide && b == 0) return report(term, "division by zero");
    const double result = term.kind == Term::Kind::add        ? a + b
                          : term.kind == Term::Kind::subtract ? a - b
                          : term.kind == Term::Kind::multiply ? a * b
                                                              : a / b;
    if (!std::isfinite(result)) return overflow(term);
    left.value = {.value = result, .use = {}};
    return true;
  }

  const Lookup& lookup_;
  const std::vector<std::string>& known_;
  Mistakes& mistakes_;
  std::vector<Item> stack_;
};

}  // namespace

std::optional<Evaluated> evaluate(const Expression& expression, const Lookup& lookup,
                                  const std::vector<std::string>& known, Mistakes& mistakes) {
  return Evaluation(lookup, known, mistakes).run(expression);
}

std::string describe(const AttributeValue& value) {
  if (const auto* size = std::get_if<std::vector<std::int64_t>>(&value)) {
    return fmt::format("the size {}", fmt::join(*size, "x"));
  }
  if (const auto* word = std::get_if<std::string>(&value))
    return fmt::format("the word `{}`", *word);
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* real = std::get_if<double>(&value)) {
    const auto text = fmt::format("{}", *real);
    return text.find_first_not_of("-0123456789") == text.npos ? text + ".0" : text;
  }
  return fmt::format("{}", std::get<std::int64_t>(value));
}

}  // namespace cnnc::frontend
