#include "ir/interpreter_memory.h"

#include <algorithm>

namespace cnnc {
namespace {

/// Of sums that cannot overflow: each part is at most the limit and one more.
std::int64_t bytes_of(const TensorType& type) {
  const auto count = checked_element_count(type.dims, 1, kMaxElements);
  return count ? *count * static_cast<std::int64_t>(size_of(type.scalar))
               : kMostInterpreterBytes + 1;
}

void check(std::string_view what, std::string_view name, std::int64_t bytes) {
  if (bytes > kMostInterpreterBytes)
    fail("{} {} needs more than {} bytes of memory, the interpreter's limit", what, name,
         kMostInterpreterBytes);
}

}  // namespace

void check_interpreter_memory(const Graph& graph, std::int64_t rows) {
  std::int64_t total = 0;
  for (const Node& node : graph.nodes)
    for (const TensorType& type : node.types) {
      total += bytes_of({type.scalar, concrete(type.dims, rows)});
      check("graph", graph.name, total);
    }
}

void check_interpreter_memory(const Program& program) {
  std::int64_t total = 0, arena = 0, scratch = 0;
  for (std::size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.view_of) continue;
    const std::int64_t bytes = bytes_of(buffer.type);
    if (buffer.offset < 0) {
      total += bytes;
    } else {
      if (buffer.offset > kMostInterpreterBytes - bytes)
        throw PartError({Part::Kind::buffer, i},
                        fmt::format("buffer {}: its offset {} is too large: the interpreter's "
                                    "memory ends at {}",
                                    buffer.name, buffer.offset, kMostInterpreterBytes));
      auto& end = buffer.memory == Memory::arena ? arena : scratch;
      end = std::max(end, buffer.offset + bytes);
    }
    check("program", program.name, total + arena + scratch);
  }
}

}  // namespace cnnc
