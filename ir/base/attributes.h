// Attributes of a graph node and arguments of a layer: names with values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cnnc {

using AttributeValue =
    std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>>;

/// Sorted by name. The getters check: a missing name or another type is a defect of the caller
/// (CNNC_CHECK).
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> values);

  void set(std::string name, AttributeValue value);
  const AttributeValue* find(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool boolean(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<std::int64_t>& integers(std::string_view name) const;
  const std::vector<std::pair<std::string, AttributeValue>>& all() const { return values_; }

  bool operator==(const Attributes&) const = default;

 private:
  std::vector<std::pair<std::string, AttributeValue>> values_;
};

/// 1, 0.5 (always with a point or an exponent, in round-trip precision), true, "text", [1,2].
std::string to_string(const AttributeValue& value);

}  // namespace cnnc
