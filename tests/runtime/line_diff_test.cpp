// Differences of texts.
#include <gtest/gtest.h>

#include <sstream>

#include "runtime/inspect/line_diff.h"
#include "runtime/train/random.h"

namespace cnnc {
namespace {

TEST(LineDiff, equal_texts_have_none) {
  EXPECT_EQ(line_diff("", "", "a", "b"), "");
  EXPECT_EQ(line_diff("x\ny\n", "x\ny\n", "a", "b"), "");
}

TEST(LineDiff, a_change_shows_with_its_surroundings) {
  EXPECT_EQ(line_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "a", "b"),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(LineDiff, what_is_added_to_nothing_begins_at_line_0) {
  EXPECT_EQ(line_diff("", "x\n", "a", "b"), "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
  EXPECT_EQ(line_diff("x\n", "", "a", "b"), "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n");
}

TEST(LineDiff, changes_far_apart_are_two_hunks) {
  std::string before, after;
  for (int i = 0; i < 30; ++i) {
    before += fmt::format("{}\n", i);
    after += fmt::format("{}{}\n", i, i == 5 || i == 20 ? "!" : "");
  }
  const std::string diff = line_diff(before, after, "a", "b", 1);
  EXPECT_EQ(diff,
            "--- a\n+++ b\n@@ -5,3 +5,3 @@\n 4\n-5\n+5!\n 6\n@@ -20,3 +20,3 @@\n 19\n-20\n+20!\n "
            "21\n");
}

/// What `diff` makes of `before`: lines outside of hunks are kept.
std::string patched(const std::string& before, const std::string& diff) {
  std::istringstream old_stream(before), diff_stream(diff);
  std::vector<std::string> old;
  for (std::string line; std::getline(old_stream, line);) old.push_back(line);
  std::string result, line;
  std::size_t at = 0;
  while (std::getline(diff_stream, line)) {
    if (line.starts_with("---") || line.starts_with("+++")) continue;
    if (line.starts_with("@@")) {
      std::size_t begin = 0, count = 0;
      EXPECT_EQ(std::sscanf(line.c_str(), "@@ -%zu,%zu", &begin, &count), 2);
      for (; at + (count > 0 ? 1 : 0) < begin; ++at) result += old[at] + "\n";
      continue;
    }
    if (line[0] != '+') {
      EXPECT_EQ(line.substr(1), old.at(at));
      ++at;
    }
    if (line[0] != '-') result += line.substr(1) + "\n";
  }
  for (; at < old.size(); ++at) result += old[at] + "\n";
  return result;
}

// Texts of few different lines have few unique ones: the hard case.
TEST(LineDiff, applied_to_the_old_text_gives_the_new_one) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto kinds = 2 + seed % 40;
    std::string before, after;
    for (std::uint64_t i = 0; i < seed % 60; ++i) {
      const std::string line = fmt::format("line {}\n", random_bits(seed, 1, i) % kinds);
      const auto fate = random_bits(seed, 2, i) % 8;
      if (fate != 0) before += line;
      if (fate != 1) after += line;
      if (fate == 2) after += fmt::format("line {}\n", random_bits(seed, 3, i) % kinds);
    }
    for (const int context : {0, 1, 3})
      ASSERT_EQ(patched(before, line_diff(before, after, "a", "b", context)), after)
          << "seed " << seed << ", context " << context << "\n"
          << line_diff(before, after, "a", "b", context);
  }
}

TEST(LineDiff, long_texts_without_unique_lines_are_replaced_as_a_whole) {
  std::string before, after;
  for (int i = 0; i < 20000; ++i) {
    before += i % 2 == 0 ? "a\n" : "b\n";
    after += i % 3 == 0 ? "c\n" : "b\n";
  }
  EXPECT_EQ(patched(before, line_diff(before, after, "a", "b")), after);
}

}  // namespace
}  // namespace cnnc
