// The names that perf finds for machine code.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "codegen/host.h"
#include "codegen/perf_map.h"
#include "runtime/inspect/machine_peak.h"
#include "tests/process.h"

namespace cnnc::testing {
namespace {

TEST(PerfMap, names_kernels_and_the_bodies_of_their_parallel_loops_where_they_are) {
  const Program program = fma_peak_program(host_target(), ScalarType::f32, 2, 1);
  const Jit jit(program, host_target(), 1);

  // The parallel loop's body reaches the callback as a pointer.
  static std::uint64_t body_address = 0;
  std::vector<std::byte> memory(4096);
  std::vector<std::byte*> buffers(program.buffers.size(), memory.data());
  KernelContext context;
  context.buffers = buffers.data();
  context.parallel_for = [](KernelContext*, std::int64_t, KernelBody body) {
    body_address = reinterpret_cast<std::uint64_t>(body);
  };
  jit.kernels().front()(&context);

  const auto symbol_at = [&](std::uint64_t address) {
    const auto found = std::ranges::find(jit.symbols(), address, &JitSymbol::address);
    return found == jit.symbols().end() ? JitSymbol{} : *found;
  };
  const auto entry = symbol_at(
      reinterpret_cast<std::uint64_t>(reinterpret_cast<void*>(jit.kernels().front().function)));
  EXPECT_EQ(entry.name, "cnnc.fma_peak");
  EXPECT_GT(entry.size, 0U);
  const auto body = symbol_at(body_address);
  EXPECT_EQ(body.name, "cnnc.fma_peak.task");
  EXPECT_GT(body.size, 0U);
}

TEST(PerfMap, has_a_line_a_function) {
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  std::filesystem::remove(path);
  const std::vector<JitSymbol> symbols = {{"cnnc.a", 0x1000, 0x20}, {"cnnc.b c", 0x2000, 0x300}};
  write_perf_map(symbols);
  EXPECT_EQ(read_text(path), "1000 20 cnnc.a\n2000 300 cnnc.b c\n");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace cnnc::testing
