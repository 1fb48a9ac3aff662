// The worker threads behind parallel loops.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace cnnc {

/// A task of a parallel loop: iterations begin .. end, on worker 0 .. size()-1.
using ParallelBody = void (*)(void* data, std::int64_t begin, std::int64_t end,
                              std::int64_t worker);

/// `size` workers, the caller among them. Iterations are handed out one at a time to whoever is
/// free; results must not depend on who runs what.
class ThreadPool {
 public:
  /// size 0: all usable cores (runtime/exec/cores.h), or as many threads as can be started. Throws Error
  /// where a size that is given cannot be.
  explicit ThreadPool(int size = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;
  /// Runs body over 0 .. count and returns when all is done. `body` throws nothing. While one loop
  /// runs, another one of another thread is its caller's alone, as worker 0.
  void parallel_for(std::int64_t count, ParallelBody body, void* data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cnnc
