// What this machine can do at best: measured with loops of our own, compiled by our own JIT.
#pragma once

#include <cstdint>

#include "ir/base/type.h"
#include "ir/target/target.h"
#include "runtime/exec/executable.h"
#include "runtime/exec/threads.h"

namespace cnnc {

/// Chains of multiply-adds in registers, enough of them to keep the units busy, with nothing loaded
/// or stored: `tasks` of them, for `tasks` iterations of a parallel loop.
Program fma_peak_program(const Target& target, ScalarType type, std::int64_t tasks,
                         std::int64_t repeats);
/// FLOP of one run of that program.
double fma_peak_flops(const Target& target, ScalarType type, std::int64_t tasks,
                      std::int64_t repeats);

/// y = x + 1 over buffers of `elements` floats each, by `tasks` iterations of a parallel loop.
Program streaming_program(const Target& target, std::int64_t elements, std::int64_t tasks);

/// Both programs, compiled, and what a short measurement of them says.
class MachinePeak {
 public:
  MachinePeak(const Target& target, ScalarType type);

  /// FLOP a second of the workers of `pool` together, over about 10 ms.
  double flops_per_second(ThreadPool& pool);
  /// Bytes read and written a second, by the workers of `pool` together: of 128 MB, and of 16 MB
  /// again and again, which some caches hold.
  double bytes_per_second(ThreadPool& pool);
  double cached_bytes_per_second(ThreadPool& pool);

 private:
  Executable fma_, stream_, cached_stream_;
  double fma_flops_;
};

}  // namespace cnnc
