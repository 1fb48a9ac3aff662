// The JSON text of a safetensors header, of which parsers take more than the format allows.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

namespace cnnc {

/// The object that `bytes`, the file `name` from its byte 8 on, are. Throws Error for anything
/// else, a byte order mark, NUL, equal keys, and more depth or values than a header has use for.
nlohmann::json parse_header(std::span<const std::byte> bytes, std::string_view name);

}  // namespace cnnc
