// The arithmetic of the IRs' integers: every value is kept in 64 bits, wrapped to its type. Used
// where expressions fold and where they are evaluated, so that both agree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "ir/base/type.h"
#include "ir/expr/expr.h"

namespace cnnc {

/// `value` modulo the range of `type`: i8 and i32 sign-extended, u8 and u32 zero-extended, bool by
/// its lowest bit.
constexpr std::int64_t wrap(ScalarType type, std::int64_t value) {
  switch (type) {
    case ScalarType::i8: return static_cast<std::int8_t>(value);
    case ScalarType::u8: return static_cast<std::uint8_t>(value);
    case ScalarType::i32: return static_cast<std::int32_t>(value);
    case ScalarType::u32: return static_cast<std::uint32_t>(value);
    case ScalarType::boolean: return value & 1;
    default: return value;
  }
}

/// Whether `op` has a meaning for operands of `type`.
bool accepts(UnaryOp op, ScalarType type);
bool accepts(BinaryOp op, ScalarType type);

/// `a op b` for integers or bools of `type`. Nothing for a division by zero or a shift by less than
/// 0 or not less than the type's width: these have no value. Inline, so that a constant `op` leaves
/// one case.
inline std::optional<std::int64_t> fold(BinaryOp op, ScalarType type, std::int64_t a,
                                        std::int64_t b) {
  // Unsigned, so that overflow wraps.
  const auto x = static_cast<std::uint64_t>(a);
  const auto y = static_cast<std::uint64_t>(b);
  const auto wrapped = [&](std::uint64_t value) {
    return wrap(type, static_cast<std::int64_t>(value));
  };
  const auto is_shift = [&] { return b >= 0 && b < static_cast<std::int64_t>(8 * size_of(type)); };
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
      if (!is_shift()) return std::nullopt;
      return wrapped(x << y);
    case BinaryOp::shift_right:  // values are sign- or zero-extended, so the signed shift serves
                                 // both
      if (!is_shift()) return std::nullopt;
      return wrap(type, a >> b);
  }
  return std::nullopt;
}

}  // namespace cnnc
