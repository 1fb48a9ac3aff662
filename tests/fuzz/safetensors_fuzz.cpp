// Safetensors: tensors that lie within the file, or an error.
#include "runtime/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    std::size_t total = 0;
    const auto tensors = parse_safetensors(std::as_bytes(std::span(data, size)), "t");
    for (const auto& [name, tensor] : tensors) total += tensor.bytes().size();
    fuzz::require(total <= size, "tensors hold no more than the file");
  } catch (const Error& error) {
    fuzz::require_position(error, "t");
  }
  return 0;
}
