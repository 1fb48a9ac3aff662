// Tables for a terminal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cnnc {

struct TextTable {
  std::vector<std::vector<std::string>> rows;  // the first is the head; rows may be short
  std::size_t left = 1;  // columns of text, aligned left; the others are numbers
  bool totals = false;   // the last row stands below a rule
};

/// Lines of equal columns, a rule under the head. Ends in a newline.
std::string to_string(const TextTable& table);

/// `text` in lines of at most `width` columns, broken at blanks and where it has a newline: the
/// first begins behind `first` blanks, the others behind `others`. Ends in a newline.
std::string wrapped(std::string_view text, std::size_t first, std::size_t others,
                    std::size_t width = 80);

/// 421642 -> 421,642
std::string grouped(std::int64_t number);

}  // namespace cnnc
