#include "runtime/train/loss_watch.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cnnc {
namespace {

constexpr double kGuessing = 2.302585;  // of ten classes

LossWatch after(std::initializer_list<std::pair<int, double>> losses) {
  LossWatch watch(kGuessing);
  for (const auto& [steps, loss] : losses)
    for (int i = 0; i < steps; ++i) watch.note(loss);
  return watch;
}

TEST(LossWatch, bears_a_high_loss_for_a_while) {
  EXPECT_FALSE(after({{5, 20.0}, {200, 1.0}}).diverged());
  EXPECT_FALSE(after({{500, 2.4}}).diverged()) << "a network that does not learn";
}

TEST(LossWatch, says_so_once_it_has_been_high_for_long) {
  EXPECT_FALSE(after({{LossWatch::kSteps - 1, 5.0}}).diverged());
  EXPECT_TRUE(after({{LossWatch::kSteps, 5.0}}).diverged());
  EXPECT_TRUE(after({{100, 0.5}, {100, 1e30}}).diverged());
}

TEST(LossWatch, a_network_that_answers_every_image_alike_has_not_come_back) {
  EXPECT_TRUE(after({{1, 48134.0}, {1000, kGuessing - 0.01}}).diverged());
  EXPECT_FALSE(after({{1, 48134.0}, {100, 1.5}}).diverged());
}

TEST(LossWatch, judges_by_fewer_steps_at_the_end) {
  LossWatch watch = after({{5, 1e6}});
  EXPECT_FALSE(watch.diverged());
  watch.finish();
  EXPECT_TRUE(watch.diverged());
  EXPECT_EQ(watch.mean(), 1e6);
}

TEST(LossWatch, knows_nothing_where_guessing_is_not_known) {
  LossWatch watch(0);
  for (int i = 0; i < 1000; ++i) watch.note(1e30);
  EXPECT_FALSE(watch.diverged());
}

}  // namespace
}  // namespace cnnc
