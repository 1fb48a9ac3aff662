#include "ir/expr/reduction.h"

#include <array>
#include <limits>

#include "ir/base/tensor.h"

namespace cnnc {

std::string_view name_of(Reduction reduction) {
  constexpr std::array<std::string_view, 3> names{"add", "max", "min"};
  return names.at(static_cast<std::size_t>(reduction));
}

Expr identity(Reduction op, ScalarType type) {
  if (is_float(type)) {
    const double infinity = std::numeric_limits<double>::infinity();
    return constant(type, op == Reduction::add ? 0 : op == Reduction::max ? -infinity : infinity);
  }
  if (op == Reduction::add) return integer_constant(type, 0);
  return dispatch(type, [&](auto zero) {
    using Limits = std::numeric_limits<decltype(zero)>;
    return integer_constant(
        type, static_cast<std::int64_t>(op == Reduction::max ? Limits::lowest() : Limits::max()));
  });
}

}  // namespace cnnc
