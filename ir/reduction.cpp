#include "ir/reduction.h"

#include <limits>

namespace cnnc {

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
