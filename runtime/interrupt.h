// Ctrl-C, politely: the first one asks the program to finish, the second one ends it.
#pragma once

#include <csignal>

namespace cnnc {

/// While one lives, SIGINT and SIGTERM only set a flag; a second signal has its default effect. The
/// destructor restores what was before. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that arrived since the guard was made, or 0.
  int signal() const;
  bool interrupted() const { return signal() != 0; }

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace cnnc
