// The safetensors format: named tensors behind a JSON header of dtype, shape and byte range.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "ir/base/tensor.h"
#include "runtime/io/output_file.h"

namespace cnnc {

using Tensors = std::map<std::string, Tensor, std::less<>>;
using Metadata = std::map<std::string, std::string>;

/// Reads F32, F64, I8, U8, I32, U32, I64 and BOOL, and F16 and BF16 as f32; the texts of
/// `__metadata__` go into `metadata` where that is given. Throws Error, naming file and tensor, for
/// every lie of a header: lengths, ranges outside the data, gaps, overlaps, a size other than dtype
/// and shape say, duplicate names, trailing bytes; and for dtypes not listed. Values are not judged
/// (NaN passes). Takes time in proportion to the file.
Tensors read_safetensors(const std::filesystem::path& path, Metadata* metadata = nullptr);
/// The same from memory; `name` is what messages call it.
Tensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name,
                          Metadata* metadata = nullptr);

/// Writes `tensors` in the order of their names, reproducibly (no time stamp).
void write_safetensors(OutputFile& file, const Tensors& tensors, const Metadata& metadata = {});
void write_safetensors(const std::filesystem::path& path, const Tensors& tensors,
                       const Metadata& metadata = {});
/// How many bytes that takes.
std::size_t safetensors_size(const Tensors& tensors, const Metadata& metadata = {});

}  // namespace cnnc
