// The difference of two texts, line by line.
#pragma once

#include <string>
#include <string_view>

namespace cnnc {

/// The unified difference (as `diff -u` prints it) with `context` unchanged lines around each
/// change; empty where the texts are the same. Lines that are unique in both texts are matched
/// first, then the stretches between them (patience diff, Bram Cohen), so a block that was moved
/// or rewritten shows as a whole. Takes O(n log n) time for n lines of which most are unique, and
/// bounded time for each stretch of the others: where that is long, it is shown as replaced.
std::string line_diff(std::string_view before, std::string_view after, std::string_view before_name,
                      std::string_view after_name, int context = 3);

}  // namespace cnnc
