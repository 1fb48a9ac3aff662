// What a command tells a person while it works. That nobody can be told does not end the work.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "runtime/io/output_file.h"

namespace cnnc {

/// Writes at once to standard output or standard error. A failure stays noted in the stream
/// (std::ferror), where main looks at the end; nothing more is written then.
class Log {
 public:
  explicit Log(std::FILE* stream) : stream_(stream) {}

  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) const {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  void write(std::string_view text) const {
    if (std::ferror(stream_) != 0) return;
    std::fwrite(text.data(), 1, text.size(), stream_);
    std::fflush(stream_);
  }
  int descriptor() const { return ::fileno(stream_); }

 private:
  std::FILE* stream_;
};

/// For a command that writes `files`: not where it would be mixed with one of them.
template <class... Paths>
Log log_beside(const Paths&... files) {
  return Log((is_standard_output(files) || ...) ? stderr : stdout);
}

}  // namespace cnnc
