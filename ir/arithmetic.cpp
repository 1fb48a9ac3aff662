#include "ir/arithmetic.h"

#include <algorithm>

namespace cnnc {

std::optional<std::int64_t> fold(BinaryOp op, ScalarType type, std::int64_t a, std::int64_t b) {
  // Unsigned, so that overflow wraps.
  const auto x = static_cast<std::uint64_t>(a);
  const auto y = static_cast<std::uint64_t>(b);
  const auto wrapped = [&](std::uint64_t value) {
    return wrap(type, static_cast<std::int64_t>(value));
  };
  const auto bits = static_cast<std::int64_t>(8 * size_of(type));
  switch (op) {
    case BinaryOp::add: return wrapped(x + y);
    case BinaryOp::sub: return wrapped(x - y);
    case BinaryOp::mul: return wrapped(x * y);
    case BinaryOp::div:
      if (b == 0) return std::nullopt;
      return b == -1 ? wrapped(0 - x) : wrap(type, a / b);
    case BinaryOp::rem:
      if (b == 0) return std::nullopt;
      return b == -1 ? 0 : wrap(type, a % b);
    case BinaryOp::min: return std::min(a, b);
    case BinaryOp::max: return std::max(a, b);
    case BinaryOp::less: return a < b ? 1 : 0;
    case BinaryOp::less_equal: return a <= b ? 1 : 0;
    case BinaryOp::equal: return a == b ? 1 : 0;
    case BinaryOp::not_equal: return a != b ? 1 : 0;
    case BinaryOp::bit_and: return wrapped(x & y);
    case BinaryOp::bit_or: return wrapped(x | y);
    case BinaryOp::bit_xor: return wrapped(x ^ y);
    case BinaryOp::shift_left:
      if (b < 0 || b >= bits) return std::nullopt;
      return wrapped(x << y);
    case BinaryOp::shift_right:  // values are sign- or zero-extended, so the signed shift serves
                                 // both
      if (b < 0 || b >= bits) return std::nullopt;
      return wrap(type, a >> b);
  }
  return std::nullopt;
}

}  // namespace cnnc
