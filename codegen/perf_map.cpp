#include "codegen/perf_map.h"

#include <unistd.h>

#include <cstdio>

namespace cnnc {

void write_perf_map(std::span<const JitSymbol> symbols) {
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  std::string text;
  for (const JitSymbol& symbol : symbols)
    text += fmt::format("{:x} {:x} {}\n", symbol.address, symbol.size, symbol.name);
  std::FILE* file = std::fopen(path.c_str(), "a");
  if (!file) fail("{}: cannot be written, which CNNC_PERF_MAP asks for", path);
  const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !whole) fail("{}: could not be written to its end", path);
}

}  // namespace cnnc
