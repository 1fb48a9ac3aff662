#include "ir/base/diagnostic.h"

#include <algorithm>
#include <utility>

namespace cnnc {
namespace {

// At most so many bytes of a source line are shown.
constexpr std::size_t kShownBytes = 96;

std::string_view line_of(std::string_view text, std::size_t line) {
  for (std::size_t i = 1; i < line; ++i) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The length of a well-formed UTF-8 sequence at the start of `text`, or 0.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80       ? 1
                             : first >> 5 == 6  ? 2
                             : first >> 4 == 14 ? 3
                             : first >> 3 == 30 ? 4
                                                : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (!is_continuation(text[i])) return 0;
  return length;
}

// What a terminal can show of `text`: broken UTF-8 and control characters as '?', a tab as a blank.
// `columns` counts its characters.
std::string printable(std::string_view text, std::size_t& columns) {
  std::string result;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || (first < 0x20 && first != '\t') || first == 0x7F)
      result += '?';
    else if (first == '\t')
      result += ' ';
    else
      result += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
    ++columns;
  }
  return result;
}

// The part of `line` that is shown, and where it starts.
std::pair<std::string_view, std::size_t> window(std::string_view line, std::size_t column) {
  if (line.size() <= kShownBytes) return {line, 0};
  std::size_t begin = column > kShownBytes / 2 ? column - kShownBytes / 2 : 0;
  begin = std::min(begin, line.size() - kShownBytes);
  while (begin > 0 && is_continuation(line[begin])) --begin;
  std::size_t end = std::min(line.size(), begin + kShownBytes);
  while (end < line.size() && is_continuation(line[end])) ++end;
  return {line.substr(begin, end - begin), begin};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])  // transposed letters
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

/// Max_Pool-2D as maxpool2d: what people write differently and mean alike.
std::string plain_letters(std::string_view word) {
  std::string plain;
  for (const char c : word) {
    if (c == '_' || c == '-') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return plain;
}

}  // namespace

std::string render(const SourceText& source, const Diagnostic& diagnostic) {
  const auto& [line, column, length] = diagnostic.location;
  std::string text = source.name;
  if (line == 0) {
    text += fmt::format(": error: {}", diagnostic.message);
  } else {
    text += fmt::format(":{}:{}: error: {}\n", line, column, diagnostic.message);
    const auto whole = line_of(source.text, line);
    const std::size_t at = std::min(column > 0 ? column - 1 : 0, whole.size());
    const auto [shown, begin] = window(whole, at);
    const std::size_t inside = std::min(at - begin, shown.size());
    const auto marked = shown.substr(inside, std::max<std::size_t>(length, 1));
    std::size_t before = 0;
    std::size_t under = 0;
    std::size_t after = 0;
    const std::string lead = begin > 0 ? "..." : "";
    const std::string tail = begin + shown.size() < whole.size() ? "..." : "";
    text += "  " + lead + printable(shown.substr(0, inside), before);
    text += printable(marked, under);
    text += printable(shown.substr(inside + marked.size()), after) + tail + "\n";
    text += std::string(2 + lead.size() + before, ' ') + '^';
    if (under > 1) text += std::string(under - 1, '~');
  }
  if (!diagnostic.hint.empty()) text += "\n  hint: " + diagnostic.hint;
  return text;
}

std::string closest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongest = 64;  // longer words are no slip of the fingers, and quadratic
  constexpr std::size_t kLeastPrefix = 4;
  if (word.size() > kLongest) return {};
  const std::string plain = plain_letters(word);
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, plain.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const std::string other = plain_letters(candidate);
    const auto distance = edit_distance(plain, other);
    if (distance < best_distance && distance < other.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  for (const auto& candidate : candidates) {  // BatchNormalization, learning_rate_schedule
    const std::string other = plain_letters(candidate);
    const std::string_view longer = plain.size() < other.size() ? other : plain;
    const std::string_view shorter = plain.size() < other.size() ? plain : other;
    if (best.empty() && shorter.size() >= kLeastPrefix && longer.starts_with(shorter))
      best = candidate;
  }
  return best;
}

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw InternalError(
      fmt::format("{}:{}: internal error: {} ({})", file, line, message, condition));
}

}  // namespace cnnc
