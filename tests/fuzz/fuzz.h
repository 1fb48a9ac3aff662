// What every fuzz target shares. A target is one file that defines fuzz_one(); linked with
// libFuzzer (preset `fuzz`) it explores, linked with replay.cpp it runs the files of its corpus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ir/base/diagnostic.h"

namespace cnnc::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A broken promise ends the process, which is how libFuzzer learns of it.
inline void require(bool holds, std::string_view promise, std::string_view detail = "") {
  if (holds) return;
  fmt::print(stderr, "broken promise: {}\n{}\n", promise, detail);
  std::abort();
}

/// How many inputs parsed, printed in the end.
class Tally {
 public:
  explicit Tally(std::string_view what) : what_(what) {}
  ~Tally() { fmt::print(stderr, "{} {} of {}\n", what_, good_, all_); }
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;
  void count(bool good) {
    ++all_;
    good_ += good ? 1 : 0;
  }

 private:
  std::string_view what_;
  std::uint64_t good_ = 0, all_ = 0;
};

/// A message names its file first: `FILE:LINE:COLUMN: ...` or `FILE: ...`.
inline void require_position(const Error& error, std::string_view file) {
  const std::string_view what = error.what();
  require(what.starts_with(file) && what.substr(file.size()).starts_with(':'),
          "an error names its file", what);
}

}  // namespace cnnc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
