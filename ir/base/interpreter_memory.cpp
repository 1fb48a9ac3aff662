#include "ir/base/interpreter_memory.h"

#include "ir/base/diagnostic.h"

namespace cnnc {

std::int64_t interpreter_bytes(const TensorType& type) {
  const auto count = checked_element_count(type.dims, 1, kMaxElements);
  return count ? *count * static_cast<std::int64_t>(size_of(type.scalar))
               : kMostInterpreterBytes + 1;
}

void require_interpreter_memory(std::string_view what, std::string_view name, std::int64_t bytes) {
  if (bytes > kMostInterpreterBytes)
    fail("{} {} needs more than {} bytes of memory, the interpreter's limit", what, name,
         kMostInterpreterBytes);
}

}  // namespace cnnc
