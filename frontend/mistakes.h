// Collects the mistakes of one file, so that all of them are reported in one run.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc::frontend {

/// So many mistakes are printed; the rest is counted.
inline constexpr std::size_t kMaxReported = 50;

class Mistakes {
 public:
  /// A second mistake at the same place is a consequence of the first, or the same one in another
  /// use of a block: it is dropped.
  void add(Location location, std::string message, std::string hint = {});
  bool any() const { return !found_.empty(); }
  std::size_t count() const { return found_.size(); }

  /// False where so many mistakes were made that no more suggestions are worth their time.
  bool wants_suggestions() const;
  /// "did you mean `maxpool`?", or nothing where no candidate is close.
  std::string suggest(std::string_view word, std::span<const std::string> candidates) const;

  /// Throws one Error with all mistakes in the order of the text.
  [[noreturn]] void raise(const SourceText& source) const;

 private:
  std::vector<Diagnostic> found_;
  std::set<std::pair<std::size_t, std::size_t>> places_;
  std::size_t dropped_ = 0;  // beyond what is stored
};

/// "a", "a; b" or "a? B", for hints in two parts.
std::string join_hints(std::string first, std::string second);

}  // namespace cnnc::frontend
