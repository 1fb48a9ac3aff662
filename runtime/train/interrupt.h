// Being asked to stop, politely: the first time the program finishes what it does, the second time
// it ends.
#pragma once

#include <sys/resource.h>

#include <array>
#include <csignal>

namespace cnnc {

/// While one lives, the signals that ask a program to end only set a flag: SIGINT and SIGTERM,
/// SIGHUP (the terminal is closed) and SIGXCPU (the limit of computing time). A signal that was
/// ignored stays so. After SIGINT or SIGTERM, the next of these two has its default effect; the
/// others come again by themselves. A limit of computing time that would end the program without a
/// word is told a little earlier. The destructor restores what was before. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The first signal that arrived since the guard was made, or 0.
  int signal() const;
  bool interrupted() const { return signal() != 0; }

  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};

 private:
  std::array<struct sigaction, kSignals.size()> old_{};
  struct rlimit old_time_ {};
};

/// While one lives, writing to a pipe that nobody reads fails instead of ending the program.
class BrokenPipeGuard {
 public:
  BrokenPipeGuard();
  ~BrokenPipeGuard();
  BrokenPipeGuard(const BrokenPipeGuard&) = delete;
  BrokenPipeGuard& operator=(const BrokenPipeGuard&) = delete;

 private:
  struct sigaction old_ {};
};

}  // namespace cnnc
