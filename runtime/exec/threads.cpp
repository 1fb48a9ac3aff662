// One atomic word, the ticket, holds the number of the current loop (high half) and how many of its
// iterations nobody has claimed yet (low half). Whoever is free claims one by compare-and-swap,
// which fails once the loop has changed; so a late worker can neither run nor skip anything, and a
// loop need not wait until every worker has woken up: it ends when all its iterations are done.
#include "runtime/exec/threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/exec/cores.h"

namespace cnnc {
namespace {

constexpr std::int64_t kMaxIterations = (std::int64_t{1} << 31) - 1;
constexpr std::chrono::microseconds kSpin{40};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits a little for `done()`, burning the core: kernels follow each other within microseconds,
/// waking up takes tens of them.
template <class Condition>
bool spin_until(Condition done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

struct ThreadPool::State {
  int size = 1;  // known once all workers have started; they do not ask
  std::atomic<bool> spin{false};
  std::vector<std::thread> threads;

  std::atomic<bool> busy{false};  // with a loop

  // The loop: written before the ticket is published, read before an iteration is claimed.
  std::atomic<ParallelBody> body{nullptr};
  std::atomic<void*> data{nullptr};
  std::atomic<std::int64_t> count{0};

  alignas(64) std::atomic<std::uint64_t> ticket{0};
  alignas(64) std::atomic<std::int32_t> remaining{0};  // iterations not yet done
  alignas(64) std::atomic<std::int32_t> epoch{0};      // workers sleep on it
  std::atomic<bool> stop{false};

  void run_loop(std::int64_t n, ParallelBody run, void* argument);
  void run_iterations(std::int64_t worker);
  void work(std::int64_t worker);
  void wake(std::int64_t workers);
  void shut_down();
};

void ThreadPool::State::run_iterations(std::int64_t worker) {
  std::int32_t done = 0;
  std::uint64_t seen = ticket.load(std::memory_order_acquire);
  while (const auto unclaimed = static_cast<std::int64_t>(seen & 0xffffffffU)) {
    // These belong to the loop that was seen if the claim succeeds: the next one is set up only
    // after this iteration is done.
    const ParallelBody run = body.load(std::memory_order_relaxed);
    void* const argument = data.load(std::memory_order_relaxed);
    const std::int64_t index = count.load(std::memory_order_relaxed) - unclaimed;
    if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      continue;
    run(argument, index, index + 1, worker);
    ++done;  // not yet subtracted from `remaining`, so the loop cannot change meanwhile
    seen = ticket.load(std::memory_order_acquire);
  }
  if (done > 0 && remaining.fetch_sub(done, std::memory_order_acq_rel) == done)
    remaining.notify_all();
}

void ThreadPool::State::work(std::int64_t worker) {
  std::int32_t seen = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    const auto changed = [&] { return epoch.load(std::memory_order_acquire) != seen; };
    if (!(spin && spin_until(changed))) epoch.wait(seen, std::memory_order_acquire);
    seen = epoch.load(std::memory_order_acquire);
    run_iterations(worker);
  }
}

void ThreadPool::State::wake(std::int64_t workers) {
  epoch.fetch_add(1, std::memory_order_release);
  if (workers >= static_cast<std::int64_t>(threads.size())) return epoch.notify_all();
  for (std::int64_t i = 0; i < workers; ++i) epoch.notify_one();
}

void ThreadPool::State::shut_down() {
  stop.store(true, std::memory_order_relaxed);
  wake(static_cast<std::int64_t>(threads.size()));
  for (auto& thread : threads) thread.join();
}

/// By all workers; nobody else is in it.
void ThreadPool::State::run_loop(std::int64_t n, ParallelBody run, void* argument) {
  body.store(run, std::memory_order_relaxed);
  data.store(argument, std::memory_order_relaxed);
  count.store(n, std::memory_order_relaxed);
  remaining.store(static_cast<std::int32_t>(n), std::memory_order_relaxed);
  const std::uint64_t loop = (ticket.load(std::memory_order_relaxed) >> 32) + 1;
  ticket.store((loop << 32) | static_cast<std::uint64_t>(n), std::memory_order_release);
  wake(std::min<std::int64_t>(n, size) - 1);

  run_iterations(0);
  const auto finished = [&] { return remaining.load(std::memory_order_acquire) == 0; };
  if (spin && spin_until(finished)) return;
  for (std::int32_t left; (left = remaining.load(std::memory_order_acquire)) != 0;) {
    remaining.wait(left, std::memory_order_acquire);
  }
}

ThreadPool::ThreadPool(int size) : state_(std::make_unique<State>()) {
  const int cores = usable_cores();
  const int wanted = size > 0 ? size : cores;
  try {
    for (int worker = 1; worker < wanted; ++worker) {
      state_->threads.emplace_back([state = state_.get(), worker] { state->work(worker); });
    }
  } catch (const std::exception& error) {  // system_error, or no memory for so many
    const std::size_t started = state_->threads.size() + 1;
    if (size > 0) {
      state_->shut_down();
      fail("cannot start {} threads: {} after {}", wanted, error.what(), started);
    }
  }
  state_->size = static_cast<int>(state_->threads.size()) + 1;
  state_->spin = wanted <= cores;
}

ThreadPool::~ThreadPool() { state_->shut_down(); }

int ThreadPool::size() const { return state_->size; }

void ThreadPool::parallel_for(std::int64_t count, ParallelBody body, void* data) {
  State& state = *state_;
  if (count <= 0) return;
  if (count == 1 || state.size == 1) return body(data, 0, count, 0);
  CNNC_CHECK(count <= kMaxIterations, "{} iterations", count);
  if (state.busy.exchange(true, std::memory_order_acquire)) return body(data, 0, count, 0);
  state.run_loop(count, body, data);
  state.busy.store(false, std::memory_order_release);
}

}  // namespace cnnc
