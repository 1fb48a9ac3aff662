#include "runtime/inspect/line_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace cnnc {

namespace {

using Lines = std::vector<std::string_view>;

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Lines a_begin .. a_end of the old text against b_begin .. b_end of the new.
struct Stretch {
  std::size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
 public:
  Matcher(const Lines& a, const Lines& b) : a_(a), b_(b), partner_(a.size(), kNone) {}

  static constexpr std::size_t kNone = SIZE_MAX;

  /// The line of the new text that each old one became, kNone where it is gone; rising.
  std::vector<std::size_t> run() {
    work_.push_back({0, a_.size(), 0, b_.size()});
    while (!work_.empty()) {
      Stretch s = work_.back();
      work_.pop_back();
      while (s.a_begin < s.a_end && s.b_begin < s.b_end && a_[s.a_begin] == b_[s.b_begin])
        partner_[s.a_begin++] = s.b_begin++;
      while (s.a_begin < s.a_end && s.b_begin < s.b_end && a_[s.a_end - 1] == b_[s.b_end - 1])
        partner_[--s.a_end] = --s.b_end;
      if (s.a_begin < s.a_end && s.b_begin < s.b_end && !split_at_unique_lines(s))
        match_by_table(s);
    }
    return std::move(partner_);
  }

 private:
  struct Pair {
    std::size_t a, b;
  };

  /// Lines that occur once on each side, those that keep their order: the longest rising sequence.
  std::vector<Pair> anchors(const Stretch& s) const {
    struct Places {
      std::size_t a = 0, b = 0, a_count = 0, b_count = 0;
    };
    std::unordered_map<std::string_view, Places> places;
    for (std::size_t i = s.a_begin; i < s.a_end; ++i) {
      auto& place = places[a_[i]];
      place.a = i;
      ++place.a_count;
    }
    for (std::size_t i = s.b_begin; i < s.b_end; ++i) {
      auto& place = places[b_[i]];
      place.b = i;
      ++place.b_count;
    }
    std::vector<Pair> pairs;
    for (const auto& [line, place] : places)
      if (place.a_count == 1 && place.b_count == 1) pairs.push_back({place.a, place.b});
    std::ranges::sort(pairs, {}, &Pair::a);
    std::vector<std::size_t> piles, previous(pairs.size(), kNone);  // last of each length
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto pile = std::ranges::lower_bound(piles, pairs[i].b, {},
                                                 [&](std::size_t top) { return pairs[top].b; });
      if (pile != piles.begin()) previous[i] = *(pile - 1);
      if (pile == piles.end())
        piles.push_back(i);
      else
        *pile = i;
    }
    std::vector<Pair> rising;
    for (std::size_t i = piles.empty() ? kNone : piles.back(); i != kNone; i = previous[i])
      rising.push_back(pairs[i]);
    std::ranges::reverse(rising);
    return rising;
  }

  bool split_at_unique_lines(const Stretch& s) {
    const auto fixed = anchors(s);
    Stretch rest = s;
    for (const Pair& pair : fixed) {
      partner_[pair.a] = pair.b;
      work_.push_back({rest.a_begin, pair.a, rest.b_begin, pair.b});
      rest.a_begin = pair.a + 1;
      rest.b_begin = pair.b + 1;
    }
    if (!fixed.empty()) work_.push_back(rest);
    return !fixed.empty();
  }

  /// The longest common subsequence by dynamic programming.
  void match_by_table(const Stretch& s) {
    constexpr std::size_t kMaxCells = std::size_t{1} << 22;
    const std::size_t rows = s.a_end - s.a_begin, columns = s.b_end - s.b_begin;
    if (rows > kMaxCells / columns) return;
    std::vector<unsigned> length((rows + 1) * (columns + 1));
    const auto at = [&](std::size_t i, std::size_t j) -> unsigned& {
      return length[i * (columns + 1) + j];
    };
    for (std::size_t i = rows; i-- > 0;)
      for (std::size_t j = columns; j-- > 0;)
        at(i, j) = a_[s.a_begin + i] == b_[s.b_begin + j] ? at(i + 1, j + 1) + 1
                                                          : std::max(at(i + 1, j), at(i, j + 1));
    for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
      if (a_[s.a_begin + i] == b_[s.b_begin + j])
        partner_[s.a_begin + i++] = s.b_begin + j++;
      else if (at(i + 1, j) >= at(i, j + 1))
        ++i;
      else
        ++j;
    }
  }

  const Lines& a_;
  const Lines& b_;
  std::vector<std::size_t> partner_;
  std::vector<Stretch> work_;
};

/// One line of the output: ' ', '-' or '+', and where it stands in both texts.
struct Edit {
  char kind;
  std::size_t a, b;
};

std::vector<Edit> edits(const Lines& a, const Lines& b) {
  const auto partner = Matcher(a, b).run();
  std::vector<Edit> all;
  std::size_t j = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (partner[i] == Matcher::kNone) {
      all.push_back({'-', i, j});
      continue;
    }
    for (; j < partner[i]; ++j) all.push_back({'+', i, j});
    all.push_back({' ', i, j++});
  }
  for (; j < b.size(); ++j) all.push_back({'+', a.size(), j});
  return all;
}

}  // namespace

std::string line_diff(std::string_view before, std::string_view after, std::string_view before_name,
                      std::string_view after_name, int context) {
  const Lines a = split_lines(before), b = split_lines(after);
  const auto all = edits(a, b);
  const auto margin = static_cast<std::size_t>(std::max(context, 0));
  std::string text;
  for (std::size_t i = 0; i < all.size();) {
    if (all[i].kind == ' ') {
      ++i;
      continue;
    }
    // A hunk: up to the last change that is followed by no other within two margins.
    std::size_t last = i;
    for (std::size_t k = i; k < all.size() && k <= last + 2 * margin + 1; ++k)
      if (all[k].kind != ' ') last = k;
    const std::size_t begin = i - std::min(margin, i);
    const std::size_t end = std::min(all.size(), last + margin + 1);
    std::size_t old_lines = 0, new_lines = 0;
    std::string body;
    for (std::size_t k = begin; k < end; ++k) {
      old_lines += all[k].kind != '+';
      new_lines += all[k].kind != '-';
      body += fmt::format("{}{}\n", all[k].kind, all[k].kind == '+' ? b[all[k].b] : a[all[k].a]);
    }
    if (text.empty()) text = fmt::format("--- {}\n+++ {}\n", before_name, after_name);
    text += fmt::format("@@ -{},{} +{},{} @@\n{}", all[begin].a + (old_lines > 0), old_lines,
                        all[begin].b + (new_lines > 0), new_lines, body);
    i = end;
  }
  return text;
}

}  // namespace cnnc
