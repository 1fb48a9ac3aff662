// How much memory the interpreters take before they refuse.
#pragma once

#include <cstdint>
#include <string_view>

#include "ir/base/type.h"

namespace cnnc {

/// Bytes of all values of a graph, or all memory of a program.
inline constexpr std::int64_t kMostInterpreterBytes = std::int64_t{1} << 32;

/// Bytes of a tensor, at most the limit and one more, so that sums of them do not overflow.
std::int64_t interpreter_bytes(const TensorType& type);

/// Throws Error where `bytes` are over the limit; `what` is a graph or a program of that name.
void require_interpreter_memory(std::string_view what, std::string_view name, std::int64_t bytes);

}  // namespace cnnc
