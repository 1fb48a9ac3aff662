// The one thing that a kernel is given: how generated code reaches memory and threads. It names no
// external symbol. Buffers are placed as ir/base/alignment.h says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cnnc {

struct KernelContext;

/// Iterations begin .. end of a parallel loop, on worker `worker`.
using KernelBody = void (*)(KernelContext* context, std::int64_t begin, std::int64_t end,
                            std::int64_t worker);

struct KernelContext {
  std::byte* const* buffers =
      nullptr;  // by BufferId: inputs, states, outputs, constants; else null
  std::byte* arena = nullptr;
  std::byte* scratch = nullptr;  // worker w's thread buffers start at scratch + w * scratch_stride
  std::int64_t scratch_stride = 0;
  /// Of the kernel that runs: one number a buffer that it uses, its offset in the arena or the
  /// scratch, or else its index in `buffers`. Kernels that differ in these alone are one function.
  const std::int64_t* places = nullptr;
  /// Runs body over 0 .. count, on any threads, and returns when all is done.
  void (*parallel_for)(KernelContext* context, std::int64_t count, KernelBody body) = nullptr;
  void* threads = nullptr;  // the callback's own
  /// Told of an index that is not in its buffer's dimension, by code that was compiled with checks.
  /// The access is not made; the function that was to make it returns. The numbers are indices
  /// into Program::kernels, Program::buffers and the buffer's dimensions.
  void (*out_of_bounds)(KernelContext* context, std::int64_t kernel, std::int64_t buffer,
                        std::int64_t dimension, std::int64_t index) = nullptr;
  void* bounds_report = nullptr;  // that callback's own
};

using KernelFunction = void (*)(KernelContext* context);

/// A kernel: its code, and where its buffers are.
struct CompiledKernel {
  KernelFunction function = nullptr;
  std::vector<std::int64_t> places;

  void operator()(KernelContext* context) const {
    context->places = places.data();
    function(context);
  }
};

}  // namespace cnnc
