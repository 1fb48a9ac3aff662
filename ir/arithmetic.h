// The arithmetic of the IRs' integers: every value is kept in 64 bits, wrapped to its type. Used
// where expressions fold and where they are evaluated, so that both agree.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/expr.h"
#include "ir/type.h"

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

/// `a op b` for integers or bools of `type`. Nothing for a division by zero or a shift that is not
/// less than the type's width: these have no value.
std::optional<std::int64_t> fold(BinaryOp op, ScalarType type, std::int64_t a, std::int64_t b);

}  // namespace cnnc
