// A tensor in memory: what interpreters, references, data sets and weight files exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/base/type.h"

namespace cnnc {

/// Maps a C++ type to its ScalarType.
template <class T>
struct ScalarTypeOf;
template <>
struct ScalarTypeOf<float> {
  static constexpr ScalarType value = ScalarType::f32;
};
template <>
struct ScalarTypeOf<double> {
  static constexpr ScalarType value = ScalarType::f64;
};
template <>
struct ScalarTypeOf<std::int8_t> {
  static constexpr ScalarType value = ScalarType::i8;
};
template <>
struct ScalarTypeOf<std::uint8_t> {
  static constexpr ScalarType value = ScalarType::u8;
};
template <>
struct ScalarTypeOf<std::int32_t> {
  static constexpr ScalarType value = ScalarType::i32;
};
template <>
struct ScalarTypeOf<std::uint32_t> {
  static constexpr ScalarType value = ScalarType::u32;
};
template <>
struct ScalarTypeOf<std::int64_t> {
  static constexpr ScalarType value = ScalarType::i64;
};
template <>
struct ScalarTypeOf<bool> {
  static constexpr ScalarType value = ScalarType::boolean;
};

/// Calls `f` with a value of the C++ type of `type`: `dispatch(type, [](auto zero) { using T =
/// decltype(zero); ... })`.
template <class F>
decltype(auto) dispatch(ScalarType type, F&& f) {
  switch (type) {
    case ScalarType::f32: return f(float{});
    case ScalarType::f64: return f(double{});
    case ScalarType::i8: return f(std::int8_t{});
    case ScalarType::u8: return f(std::uint8_t{});
    case ScalarType::i32: return f(std::int32_t{});
    case ScalarType::u32: return f(std::uint32_t{});
    case ScalarType::i64: return f(std::int64_t{});
    case ScalarType::boolean: return f(bool{});
  }
  check_failed(__FILE__, __LINE__, "scalar type", "unknown");
}

/// Row-major, dense, zero-initialised; all dimensions concrete.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorType type)
      : type_(std::move(type)),
        bytes_(static_cast<std::size_t>(element_count(type_.dims, 1)) * size_of(type_.scalar)) {
    for (auto dim : type_.dims)
      CNNC_CHECK(dim >= 0, "tensor of symbolic type {}", to_string(type_));
  }

  const TensorType& type() const { return type_; }
  const Dims& dims() const { return type_.dims; }
  std::int64_t size() const { return element_count(type_.dims, 1); }
  std::span<std::byte> bytes() { return bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  template <class T>
  std::span<T> data() {
    check<T>();
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> data() const {
    check<T>();
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

  /// Element `index` (row-major), whatever the element type. i64 values beyond 2^53 lose precision.
  double get(std::int64_t index) const {
    return dispatch(type_.scalar, [&](auto zero) {
      using T = decltype(zero);
      T value;
      std::memcpy(&value, bytes_.data() + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
      return static_cast<double>(value);
    });
  }
  void set(std::int64_t index, double value) {
    dispatch(type_.scalar, [&](auto zero) {
      using T = decltype(zero);
      const T converted = static_cast<T>(value);
      std::memcpy(bytes_.data() + static_cast<std::size_t>(index) * sizeof(T), &converted,
                  sizeof(T));
    });
  }

 private:
  template <class T>
  void check() const {
    CNNC_CHECK(ScalarTypeOf<T>::value == type_.scalar, "tensor is {}", to_string(type_));
  }

  TensorType type_;
  std::vector<std::byte> bytes_;
};

}  // namespace cnnc
