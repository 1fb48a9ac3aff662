// What many values are reduced to one with.
#pragma once

#include <cstdint>
#include <string_view>

#include "ir/expr/expr.h"

namespace cnnc {

enum class Reduction : std::uint8_t { add, max, min };
std::string_view name_of(Reduction reduction);

/// The constant that leaves every value as it is: 0 for add, -inf or the least value for max, +inf
/// or the greatest for min.
Expr identity(Reduction op, ScalarType type);

}  // namespace cnnc
