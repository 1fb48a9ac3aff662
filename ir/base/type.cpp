#include "ir/base/type.h"

#include <fmt/format.h>

#include <array>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

struct ScalarInfo {
  std::string_view name;
  std::size_t size;
};

// In the order of ScalarType.
constexpr std::array<ScalarInfo, 8> kScalars{{
    {"f32", 4},
    {"f64", 8},
    {"i8", 1},
    {"u8", 1},
    {"i32", 4},
    {"u32", 4},
    {"i64", 8},
    {"bool", 1},
}};

}  // namespace

std::size_t size_of(ScalarType type) { return kScalars.at(static_cast<std::size_t>(type)).size; }

std::string_view name_of(ScalarType type) {
  return kScalars.at(static_cast<std::size_t>(type)).name;
}

std::optional<ScalarType> parse_scalar_type(std::string_view name) {
  for (std::size_t i = 0; i < kScalars.size(); ++i)
    if (kScalars[i].name == name) return static_cast<ScalarType>(i);
  return std::nullopt;
}

std::int64_t element_count(const Dims& dims, std::int64_t batch) {
  std::int64_t count = 1;
  for (auto dim : dims) count *= dim == kBatch ? batch : dim;
  return count;
}

std::int64_t byte_count(const TensorType& type) {
  return element_count(type.dims, 1) * static_cast<std::int64_t>(size_of(type.scalar));
}

std::optional<std::int64_t> checked_element_count(const Dims& dims, std::int64_t batch,
                                                  std::int64_t limit) {
  std::int64_t count = 1;
  for (auto dim : dims) {
    const auto size = dim == kBatch ? batch : dim;
    if (size <= 0 || __builtin_mul_overflow(count, size, &count) || count > limit)
      return std::nullopt;
  }
  return count;
}

Dims concrete(const Dims& dims, std::int64_t batch) {
  Dims result = dims;
  for (auto& dim : result)
    if (dim == kBatch) dim = batch;
  return result;
}

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ',';
    text += dims[i] == kBatch ? "B" : std::to_string(dims[i]);
  }
  return text + "]";
}

std::string to_string(const TensorType& type) {
  return std::string(name_of(type.scalar)) + to_string(type.dims);
}

}  // namespace cnnc
