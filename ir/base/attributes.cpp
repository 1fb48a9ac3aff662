#include "ir/base/attributes.h"

#include <algorithm>

#include "ir/base/diagnostic.h"
#include "ir/base/lexer.h"

namespace cnnc {
namespace {

template <class T>
const T& get(const Attributes& attributes, std::string_view name, const char* kind) {
  const auto* value = attributes.find(name);
  CNNC_CHECK(value != nullptr, "no attribute '{}'", name);
  const auto* typed = std::get_if<T>(value);
  CNNC_CHECK(typed != nullptr, "attribute '{}' is {}, not of kind {}", name, to_string(*value),
             kind);
  return *typed;
}

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  // fmt prints whole numbers without a point; inf and nan are words of their own.
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

Attributes::Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> values) {
  for (const auto& [name, value] : values) set(name, value);
}

void Attributes::set(std::string name, AttributeValue value) {
  const auto place = std::lower_bound(values_.begin(), values_.end(), name,
                                      [](const auto& a, const auto& b) { return a.first < b; });
  if (place != values_.end() && place->first == name)
    place->second = std::move(value);
  else
    values_.emplace(place, std::move(name), std::move(value));
}

const AttributeValue* Attributes::find(std::string_view name) const {
  for (const auto& [known, value] : values_)
    if (known == name) return &value;
  return nullptr;
}

std::int64_t Attributes::integer(std::string_view name) const {
  return get<std::int64_t>(*this, name, "integer");
}
double Attributes::real(std::string_view name) const { return get<double>(*this, name, "real"); }
bool Attributes::boolean(std::string_view name) const { return get<bool>(*this, name, "boolean"); }
const std::string& Attributes::text(std::string_view name) const {
  return get<std::string>(*this, name, "text");
}
const std::vector<std::int64_t>& Attributes::integers(std::string_view name) const {
  return get<std::vector<std::int64_t>>(*this, name, "integers");
}

std::string to_string(const AttributeValue& value) {
  struct Printer {
    std::string operator()(std::int64_t x) const { return std::to_string(x); }
    std::string operator()(double x) const { return real_text(x); }
    std::string operator()(bool x) const { return x ? "true" : "false"; }
    std::string operator()(const std::string& x) const { return quoted(x); }
    std::string operator()(const std::vector<std::int64_t>& x) const {
      std::string text = "[";
      for (std::size_t i = 0; i < x.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(x[i]);
      return text + "]";
    }
  };
  return std::visit(Printer{}, value);
}

}  // namespace cnnc
