// Mistakes of a user, with the place where they were made; and the check for mistakes of our own.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cnnc {

/// A text and the name under which messages refer to it.
struct SourceText {
  std::string name;
  std::string text;
};

/// A place in a SourceText: line and column count from 1 (columns in bytes), `length` bytes are
/// underlined. Line 0: no place.
struct Location {
  std::size_t line = 0;
  std::size_t column = 0;
  std::size_t length = 1;

  bool operator==(const Location&) const = default;
};

/// One mistake. `message` says what is wrong, `hint` (may be empty) what was expected or would fit.
struct Diagnostic {
  Location location;
  std::string message;
  std::string hint;
};

/// `file:line:column: error: message`, the line, a caret under the place, and `hint: ...`. Long
/// lines are cut around the place.
std::string render(const SourceText& source, const Diagnostic& diagnostic);

/// A mistake in what the user gave: model text, data, weights, picture, flags. what() is ready to
/// print, without a newline at its end.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// The candidate closest to `word` by edit distance, if close enough to be a slip of the fingers,
/// otherwise one that `word` begins with, or the other way round; otherwise empty. Capitals, _ and -
/// make no difference.
std::string closest(std::string_view word, std::span<const std::string> candidates);

/// Thrown by CNNC_CHECK: a defect of cnnc itself.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace cnnc

/// For what only a bug in this code can break.
#define CNNC_CHECK(condition, ...)                                                    \
  do {                                                                                \
    if (!(condition))                                                                 \
      ::cnnc::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)
