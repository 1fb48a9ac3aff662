#include "frontend/mistakes.h"

#include <algorithm>

namespace cnnc::frontend {

namespace {

// A megabyte of garbage must not become gigabytes of messages.
constexpr std::size_t kMaxStored = 1000;
constexpr std::size_t kMaxSuggestions = 50;
constexpr std::size_t kMaxCandidates = 1000;

}  // namespace

void Mistakes::add(Location location, std::string message, std::string hint) {
  if (found_.size() >= kMaxStored) {
    ++dropped_;
    return;
  }
  if (!places_.insert({location.line, location.column}).second) return;
  found_.push_back({location, std::move(message), std::move(hint)});
}

bool Mistakes::wants_suggestions() const { return found_.size() <= kMaxSuggestions; }

std::string Mistakes::suggest(std::string_view word,
                              std::span<const std::string> candidates) const {
  if (!wants_suggestions()) return {};
  const auto count = std::min(candidates.size(), kMaxCandidates);
  const std::string near = closest(word, candidates.first(count));
  return near.empty() ? std::string() : fmt::format("did you mean `{}`?", near);
}

void Mistakes::raise(const SourceText& source) const {
  CNNC_CHECK(any(), "no mistake to report");
  auto sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.location.line, a.location.column) <
           std::pair(b.location.line, b.location.column);
  });
  std::string text;
  const auto shown = std::min(sorted.size(), kMaxReported);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += '\n';
    text += render(source, sorted[i]);
  }
  const auto more = sorted.size() - shown + dropped_;
  if (more > 0)
    text += fmt::format("\n{}: and {} more error{}", source.name, more, more == 1 ? "" : "s");
  throw Error(text);
}

std::string join_hints(std::string first, std::string second) {
  if (first.empty()) return second;
  if (second.empty()) return first;
  if (!first.ends_with('?')) return first + "; " + second;
  if (second[0] >= 'a' && second[0] <= 'z') second[0] = static_cast<char>(second[0] - 'a' + 'A');
  return first + " " + second;
}

}  // namespace cnnc::frontend
