// Values as vectors.
#pragma once

#include <llvm/IR/Value.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace cnnc {

/// 1 of what is no vector.
unsigned lanes_of(const llvm::Value* value);
bool is_vector(const llvm::Value* value);
/// The lanes of a vector of integers that is known now.
std::optional<std::vector<std::int64_t>> constant_lanes(const llvm::Value* value);

}  // namespace cnnc
