// What the passes know of the machine that they compile for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

struct Target {
  std::string name;                // native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4
  std::string cpu;                 // LLVM's name
  std::string features;            // LLVM's feature string
  std::int64_t vector_bytes = 16;  // of one register
  std::int64_t registers = 16;     // vector registers
  bool fma = false;
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 512 << 10;

  std::int64_t lanes(ScalarType type) const {
    return vector_bytes / static_cast<std::int64_t>(size_of(type));
  }
};

/// Whether storing some lanes of a vector is as fast as storing all of them, so that elements some
/// way apart are also stored best as whole vectors under masks: with the mask registers of AVX-512.
inline bool stores_masked(const Target& target) { return target.vector_bytes >= 64; }

/// A named level of the x86-64 ABI, with cache sizes that are the same everywhere. Nothing for an
/// unknown name; `native` is codegen's to detect (codegen/host.h).
std::optional<Target> named_target(std::string_view name);

}  // namespace cnnc
