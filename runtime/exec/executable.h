// A compiled program with its memory: set inputs, run, read outputs.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

class ThreadPool;

/// Memory of an input, state or output of an executable: row-major, `type` concrete (the batch at
/// its maximum).
struct TensorRef {
  TensorType type;
  std::span<std::byte> bytes;

  template <class T>
  std::span<T> data() const {
    CNNC_CHECK(ScalarTypeOf<T>::value == type.scalar, "tensor is {}", to_string(type));
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

/// For one thread at a time, as its memory is.
class Executable {
 public:
  struct State;  // made by make_executable (runtime/exec/executable_state.h)
  explicit Executable(std::unique_ptr<State> state);
  Executable(Executable&&) noexcept;
  Executable& operator=(Executable&&) noexcept;
  ~Executable();

  /// The named input, state or output. Ask again for a state before you write to it after a run:
  /// that is how weights' packed and folded copies learn of it. CNNC_CHECK fails for an unknown
  /// name.
  TensorRef tensor(std::string_view name);
  bool has(std::string_view name) const;
  /// Names of inputs, states and outputs, in program order.
  const std::vector<std::string>& names() const;

  /// Runs every kernel on the first `count` rows of the batch, 1 to the batch's maximum. Allocates
  /// nothing, but for what each worker needs when `pool` has more than any before. Throws Error
  /// where there is no memory for that, and where another thread is in run or run_timed: nothing
  /// is changed then. Throws InternalError after a kernel that was compiled to check its indices
  /// and found one out of bounds; the results are then worthless.
  void run(std::int64_t count, ThreadPool& pool);
  /// The same, adding the seconds that each kernel took to `seconds`, in program order.
  void run_timed(std::int64_t count, ThreadPool& pool, std::span<double> seconds);

  /// The program as it was compiled.
  const Program& program() const;

  std::size_t arena_bytes() const;
  std::chrono::duration<double> compile_time() const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace cnnc
