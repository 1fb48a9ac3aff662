#include "runtime/train/interrupt.h"

#include <algorithm>
#include <atomic>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

constexpr rlim_t kSecondsToFinish = 5;

// A signal handler can reach nothing but a global.
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void restore_default(int number) {
  struct sigaction action = {};
  if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
    std::signal(number, SIG_DFL);
}

void note_signal(int number) {
  int none = 0;
  g_signal.compare_exchange_strong(none, number, std::memory_order_relaxed);
  if (number != SIGINT && number != SIGTERM) return;
  restore_default(SIGINT);
  restore_default(SIGTERM);
}

/// Returns what was before.
struct sigaction set_handler(int number, void (*handler)(int)) {
  struct sigaction action = {}, old = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  CNNC_CHECK(sigaction(number, &action, &old) == 0, "sigaction failed");
  return old;
}

/// Where the limit that warns (SIGXCPU) is also the one that kills, it warns some seconds before.
void leave_time_to_finish(const struct rlimit& time) {
  if (time.rlim_max == RLIM_INFINITY || time.rlim_cur != time.rlim_max) return;
  struct rlimit earlier = time;
  earlier.rlim_cur -= std::min<rlim_t>(kSecondsToFinish, time.rlim_max / 3);
  setrlimit(RLIMIT_CPU, &earlier);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  getrlimit(RLIMIT_CPU, &old_time_);
  leave_time_to_finish(old_time_);
  g_signal.store(0, std::memory_order_relaxed);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    old_[i] = set_handler(kSignals[i], note_signal);
    if (old_[i].sa_handler == SIG_IGN) sigaction(kSignals[i], &old_[i], nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  setrlimit(RLIMIT_CPU, &old_time_);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_[i], nullptr);
}

int InterruptGuard::signal() const { return g_signal.load(std::memory_order_relaxed); }

BrokenPipeGuard::BrokenPipeGuard() : old_(set_handler(SIGPIPE, SIG_IGN)) {}
BrokenPipeGuard::~BrokenPipeGuard() { sigaction(SIGPIPE, &old_, nullptr); }

}  // namespace cnnc
