#include "runtime/interrupt.h"

#include <atomic>

#include "ir/diagnostic.h"

namespace cnnc {
namespace {

// A signal handler can reach nothing but a global.
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// Restores the default of both signals, so that the second one, whichever it is, ends the program.
void note_signal(int number) {
  g_signal.store(number, std::memory_order_relaxed);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_signal.store(0, std::memory_order_relaxed);
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  CNNC_CHECK(sigaction(SIGINT, &action, &old_interrupt_) == 0 &&
                 sigaction(SIGTERM, &action, &old_terminate_) == 0,
             "sigaction failed");
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

int InterruptGuard::signal() const { return g_signal.load(std::memory_order_relaxed); }

}  // namespace cnnc
