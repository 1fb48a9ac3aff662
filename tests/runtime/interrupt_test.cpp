#include "runtime/train/interrupt.h"

#include <gtest/gtest.h>

namespace cnnc {
namespace {

TEST(Interrupt, the_first_signal_sets_the_flag_and_a_new_guard_clears_it) {
  for (int number : {SIGINT, SIGTERM}) {
    const InterruptGuard guard;
    EXPECT_FALSE(guard.interrupted());
    std::raise(number);
    EXPECT_EQ(guard.signal(), number);
  }
  EXPECT_FALSE(InterruptGuard().interrupted());
}

TEST(Interrupt, the_second_signal_ends_the_program) {
  const auto twice = [](int first, int second) {
    const InterruptGuard guard;
    std::raise(first);
    std::raise(second);
  };
  EXPECT_EXIT(twice(SIGINT, SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(twice(SIGINT, SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

TEST(Interrupt, a_closed_terminal_or_a_limit_of_time_may_be_told_again) {
  for (int number : {SIGHUP, SIGXCPU}) {
    const InterruptGuard guard;
    std::raise(number);
    std::raise(number);
    std::raise(SIGTERM);
    EXPECT_EQ(guard.signal(), number) << "the first";
  }
}

TEST(Interrupt, a_signal_that_was_ignored_stays_so) {
  for (int number : InterruptGuard::kSignals) {
    const auto before = std::signal(number, SIG_IGN);
    {
      const InterruptGuard guard;
      std::raise(number);
      EXPECT_FALSE(guard.interrupted());
      if (number != SIGINT) std::raise(SIGINT);  // must not make it end the program
      std::raise(number);
    }
    EXPECT_EQ(std::signal(number, before), SIG_IGN);
  }
}

TEST(Interrupt, the_destructor_restores_the_handler_before) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  { const InterruptGuard guard; }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_IGN);
}

}  // namespace
}  // namespace cnnc
