#include "runtime/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/io/file.h"
#include "runtime/io/safetensors_header.h"

namespace cnnc {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

using Json = nlohmann::json;

constexpr std::size_t kMaxHeader = 100'000'000;  // as the reference implementation has it
constexpr std::int64_t kMaxFile = (kMaxElements * 8) + (std::int64_t{1} << 28);

/// Values of `bytes` bytes each become `type`: the 16-bit ones are widened, which is exact.
struct Dtype {
  std::string_view name;
  ScalarType type;
  std::uint64_t bytes;
};
constexpr std::array kDtypes = {
    Dtype{"F32", ScalarType::f32, 4}, Dtype{"F64", ScalarType::f64, 8},
    Dtype{"F16", ScalarType::f32, 2}, Dtype{"BF16", ScalarType::f32, 2},
    Dtype{"I8", ScalarType::i8, 1},   Dtype{"U8", ScalarType::u8, 1},
    Dtype{"I32", ScalarType::i32, 4}, Dtype{"U32", ScalarType::u32, 4},
    Dtype{"I64", ScalarType::i64, 8}, Dtype{"BOOL", ScalarType::boolean, 1},
};

/// A tensor as the header describes it.
struct Entry {
  std::string name;
  const Dtype* dtype = nullptr;
  Dims dims;
  std::uint64_t begin = 0, end = 0;
};

/// A whole number from 0 to 2^63-1.
std::optional<std::int64_t> natural(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

const Dtype* parse_dtype(const Json& info, std::string_view where) {
  const auto found = info.find("dtype");
  if (found == info.end() || !found->is_string()) fail("{}: no `dtype` text", where);
  const auto& text = found->get_ref<const std::string&>();
  const auto* row = std::find_if(kDtypes.begin(), kDtypes.end(),
                                 [&](const auto& known) { return known.name == text; });
  if (row == kDtypes.end())
    fail("{}: dtype `{}` is not supported; F32, F64, F16, BF16, I8, U8, I32, U32, I64 and BOOL are",
         where, text);
  return &*row;
}

Dims parse_shape(const Json& info, std::string_view where) {
  const auto found = info.find("shape");
  if (found == info.end() || !found->is_array()) fail("{}: no `shape` array", where);
  if (found->size() > 16) fail("{}: {} dimensions, at most 16 are supported", where, found->size());
  Dims dims;
  for (const auto& extent : *found) {
    const auto number = natural(extent);
    if (!number)
      fail("{}: `shape` holds {}, expected whole numbers", where,
           extent.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40));
    dims.push_back(*number);
  }
  return dims;
}

/// Elements of a shape, where a size may be 0.
std::int64_t elements_of(const Dims& dims, std::string_view where) {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return 0;
  const auto count = checked_element_count(dims, 1, kMaxElements);
  if (!count)
    fail("{}: shape {} has more elements than the limit of {}", where, to_string(dims),
         kMaxElements);
  return *count;
}

Entry parse_entry(const std::string& tensor, const Json& info, std::uint64_t data_size,
                  std::string_view name) {
  const std::string where = fmt::format("{}: tensor `{}`", name, tensor);
  if (!info.is_object()) fail("{}: described by {}, expected an object", where, info.type_name());
  for (const auto& [key, unused] : info.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      fail("{}: unknown key `{}`", where, key);
  }
  Entry entry{.name = tensor, .dtype = parse_dtype(info, where), .dims = parse_shape(info, where)};
  const auto offsets = info.find("data_offsets");
  if (offsets == info.end() || !offsets->is_array() || offsets->size() != 2)
    fail("{}: no `data_offsets` of two numbers", where);
  const auto begin = natural((*offsets)[0]);
  const auto end = natural((*offsets)[1]);
  if (!begin || !end) fail("{}: `data_offsets` are not whole numbers", where);
  entry.begin = static_cast<std::uint64_t>(*begin);
  entry.end = static_cast<std::uint64_t>(*end);
  if (*begin > *end || entry.end > data_size) {
    fail("{}: data_offsets [{}, {}] lie outside the {} bytes of data", where, *begin, *end,
         data_size);
  }
  const auto expected =
      static_cast<std::uint64_t>(elements_of(entry.dims, where)) * entry.dtype->bytes;
  if (entry.end - entry.begin != expected) {
    fail("{}: data_offsets [{}, {}] hold {} bytes, but {}{} needs {}", where, *begin, *end,
         entry.end - entry.begin, entry.dtype->name, to_string(entry.dims), expected);
  }
  return entry;
}

Metadata parse_metadata(const Json& metadata, std::string_view name) {
  Metadata result;
  if (metadata.is_null()) return result;
  if (!metadata.is_object())
    fail("{}: `__metadata__` is {}, expected an object", name, metadata.type_name());
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string())
      fail("{}: `__metadata__`: `{}` is {}, expected a text", name, key, value.type_name());
    result.emplace(key, value.get<std::string>());
  }
  return result;
}

/// Every byte of the data belongs to exactly one tensor.
void check_cover(std::vector<Entry>& entries, std::uint64_t data_size, std::string_view name) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t at = 0;
  const std::string* before = nullptr;
  for (const Entry& entry : entries) {
    if (entry.begin < at) {
      fail("{}: tensors `{}` and `{}` overlap: the first ends at {}, the second begins at {}", name,
           *before, entry.name, at, entry.begin);
    }
    if (entry.begin > at)
      fail("{}: bytes {} to {} of the data, before tensor `{}`, belong to no tensor", name, at,
           entry.begin, entry.name);
    at = entry.end;
    before = &entry.name;
  }
  if (at != data_size)
    fail("{}: byte {} of the data: {} bytes follow the last tensor", name, at, data_size - at);
}

/// IEEE 754's binary16: 1 bit of sign, 5 of exponent, 10 of fraction.
float widened_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, exponent = (half >> 10) & 0x1fU,
                      fraction = half & 0x3ffU;
  if (exponent == 0) {  // zero, or without the implicit 1
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign == 0 ? value : -value;
  }
  const std::uint32_t wide = exponent == 0x1f ? 0xffU : exponent + 127 - 15;  // infinity, NaN
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// The upper half of an f32.
float widened_bfloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void widen(std::span<const std::byte> source, bool bfloat, std::span<float> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, source.data() + 2 * i, 2);
    to[i] = bfloat ? widened_bfloat(bits) : widened_half(bits);
  }
}

Tensor read_tensor(const Entry& entry, std::span<const std::byte> data, std::string_view name) {
  Tensor tensor({entry.dtype->type, entry.dims});
  const auto source = data.subspan(entry.begin, entry.end - entry.begin);
  if (entry.dtype->bytes < size_of(entry.dtype->type)) {
    widen(source, entry.dtype->name == "BF16", tensor.data<float>());
    return tensor;
  }
  if (entry.dtype->type == ScalarType::boolean) {
    const auto wrong =
        std::find_if(source.begin(), source.end(), [](auto byte) { return byte > std::byte{1}; });
    if (wrong != source.end()) {
      fail("{}: tensor `{}`: byte {} of a BOOL is neither 0 nor 1", name, entry.name,
           wrong - source.begin());
    }
  }
  std::copy(source.begin(), source.end(), tensor.bytes().begin());
  return tensor;
}

std::string header_text(const Tensors& tensors, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto* row = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& known) {
      return known.type == tensor.type().scalar && known.bytes == size_of(known.type);
    });
    const std::uint64_t end = at + tensor.bytes().size();
    header[name] = {{"dtype", row->name}, {"shape", tensor.dims()}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  return text;
}

}  // namespace

Tensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name,
                          Metadata* metadata) {
  if (bytes.size() < 8)
    fail("{}: {} bytes, too short for a safetensors file (the header's length takes 8)", name,
         bytes.size());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxHeader)
    fail("{}: byte 0: a header of {} bytes, the limit is {}; is this a safetensors file?", name,
         length, kMaxHeader);
  if (length > bytes.size() - 8) {
    fail("{}: byte 0: a header of {} bytes, but only {} follow; the file is truncated", name,
         length, bytes.size() - 8);
  }
  const Json header = parse_header(bytes.subspan(8, length), name);
  const auto data = bytes.subspan(8 + length);

  std::vector<Entry> entries;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      Metadata texts = parse_metadata(value, name);
      if (metadata != nullptr) *metadata = std::move(texts);
    } else {
      entries.push_back(parse_entry(key, value, data.size(), name));
    }
  }
  check_cover(entries, data.size(), name);
  Tensors tensors;
  for (const Entry& entry : entries) tensors.emplace(entry.name, read_tensor(entry, data, name));
  return tensors;
}

Tensors read_safetensors(const std::filesystem::path& path, Metadata* metadata) {
  return parse_safetensors(read_file(path, kMaxFile), path.string(), metadata);
}

std::size_t safetensors_size(const Tensors& tensors, const Metadata& metadata) {
  std::size_t size = sizeof(std::uint64_t) + header_text(tensors, metadata).size();
  for (const auto& [name, tensor] : tensors) size += tensor.bytes().size();
  return size;
}

void write_safetensors(OutputFile& file, const Tensors& tensors, const Metadata& metadata) {
  const std::string header = header_text(tensors, metadata);
  const std::uint64_t length = header.size();
  std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(&length, 1)),
                                                   std::as_bytes(std::span(header))};
  for (const auto& [name, tensor] : tensors) parts.push_back(tensor.bytes());
  file.write(parts);
}

void write_safetensors(const std::filesystem::path& path, const Tensors& tensors,
                       const Metadata& metadata) {
  OutputFile file(path, safetensors_size(tensors, metadata));
  write_safetensors(file, tensors, metadata);
}

}  // namespace cnnc
