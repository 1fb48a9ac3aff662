// Element types and tensor types: `f32[B,28,28,1]`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cnnc {

enum class ScalarType : std::uint8_t { f32, f64, i8, u8, i32, u32, i64, boolean };

/// Bytes of one element (`boolean` is one byte).
std::size_t size_of(ScalarType type);
/// The name used in every dump: f32, f64, i8, u8, i32, u32, i64, bool.
std::string_view name_of(ScalarType type);
std::optional<ScalarType> parse_scalar_type(std::string_view name);

constexpr bool is_float(ScalarType type) {
  return type == ScalarType::f32 || type == ScalarType::f64;
}
constexpr bool is_integer(ScalarType type) {
  return !is_float(type) && type != ScalarType::boolean;
}
constexpr bool is_signed(ScalarType type) {
  return type == ScalarType::i8 || type == ScalarType::i32 || type == ScalarType::i64;
}

using Dims = std::vector<std::int64_t>;

/// The extent that stands for the batch dimension, printed `B`. A graph states its maximum; a call
/// passes `count` <= maximum.
inline constexpr std::int64_t kBatch = -1;

/// The shape and element type of one value. A scalar has no dimensions.
struct TensorType {
  ScalarType scalar = ScalarType::f32;
  Dims dims;

  bool operator==(const TensorType&) const = default;
};

/// Number of elements, with `batch` in the place of kBatch. Every tensor that exists has passed
/// checked_element_count.
std::int64_t element_count(const Dims& dims, std::int64_t batch);
/// Bytes of all elements, where no dimension is kBatch.
std::int64_t byte_count(const TensorType& type);
/// The same, or nothing where the product overflows or exceeds `limit`, or a size is not positive.
std::optional<std::int64_t> checked_element_count(const Dims& dims, std::int64_t batch,
                                                  std::int64_t limit);
/// `dims` with `batch` in the place of kBatch.
Dims concrete(const Dims& dims, std::int64_t batch);

/// No single tensor may hold more elements than this (4 GiB of f32).
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 30;

std::string to_string(const Dims& dims);        // [B,28,28,1]
std::string to_string(const TensorType& type);  // f32[B,28,28,1]

}  // namespace cnnc
