#include "runtime/inspect/text_table.h"

#include <algorithm>
#include <string_view>

namespace cnnc {
namespace {

/// Width in columns of UTF-8 text without combining characters.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string to_string(const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& row : table.rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::size_t total = widths.empty() ? 0 : 2 * (widths.size() - 1);
  for (const auto width : widths) total += width;
  const std::string rule = std::string(total, '-') + "\n";
  std::string text;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    if (table.totals && r + 1 == table.rows.size()) text += rule;
    std::string line;
    for (std::size_t i = 0; i < table.rows[r].size(); ++i) {
      const std::string& cell = table.rows[r][i];
      const std::string padding(widths[i] - columns(cell), ' ');
      line += (i == 0 ? "" : "  ") + (i < table.left ? cell + padding : padding + cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n" + (r == 0 ? rule : "");
  }
  return text;
}

std::string wrapped(std::string_view text, std::size_t first, std::size_t others,
                    std::size_t width) {
  if (const auto end = text.find('\n'); end != text.npos) {
    return wrapped(text.substr(0, end), first, others, width) +
           wrapped(text.substr(end + 1), others, others, width);
  }
  std::string result, line(first, ' ');
  std::size_t used = first;  // columns
  while (!text.empty()) {
    const auto blanks = std::min(text.find_first_not_of(' '), text.size());
    const auto end = std::min(text.find(' ', blanks), text.size());
    const auto word = text.substr(blanks, end - blanks);
    const bool begins = line.find_first_not_of(' ') == line.npos;
    if (!begins && used + blanks + columns(word) > width) {
      result += line + "\n";
      line.assign(others, ' ');
      line += word;
      used = others + columns(word);
    } else {
      line += std::string(blanks, ' ') + std::string(word);
      used += blanks + columns(word);
    }
    text.remove_prefix(end);
  }
  return result + line + "\n";
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3) {
    if (text[static_cast<std::size_t>(place) - 1] == '-') break;
    text.insert(static_cast<std::size_t>(place), ",");
  }
  return text;
}

}  // namespace cnnc
