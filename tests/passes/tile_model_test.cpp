// Which register tile a reduction gets.
#include "passes/cost/tile_model.h"

#include <gtest/gtest.h>

namespace cnnc {
namespace {

TEST(register_tiles, may_be_given_and_axes_cut_them_down) {
  const Target target = *named_target("x86-64-v3");
  const auto factors = [&](const std::vector<TileAxis>& axes) {
    return choose_tile(axes, std::vector<TileLoad>(2, {std::vector<bool>(axes.size(), true)}), 1, 9,
                       8, target, {3, 5, 7})
        .factors;
  };
  EXPECT_EQ(factors({{9}, {9}, {9}, {80, true}}), (std::vector<std::int64_t>{1, 3, 5, 7}));
  EXPECT_EQ(factors({{2}, {80, true}}), (std::vector<std::int64_t>{2, 7}));
  EXPECT_EQ(factors({{16, false, true}, {17, true}}), (std::vector<std::int64_t>{5, 3}));
}

}  // namespace
}  // namespace cnnc
