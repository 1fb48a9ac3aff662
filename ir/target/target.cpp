#include "ir/target/target.h"

namespace cnnc {

std::optional<Target> named_target(std::string_view name) {
  Target target;
  target.name = name;
  target.cpu = name;
  if (name == "x86-64" || name == "x86-64-v2") return target;
  if (name == "x86-64-v3") {
    target.vector_bytes = 32;
    target.fma = true;
    return target;
  }
  if (name == "x86-64-v4") {
    target.features = "-prefer-256-bit";  // LLVM's tuning for this name avoids 512-bit registers
    target.vector_bytes = 64;
    target.registers = 32;
    target.fma = true;
    target.l1_bytes = 48 << 10;
    target.l2_bytes = 1 << 20;
    return target;
  }
  return std::nullopt;
}

}  // namespace cnnc
