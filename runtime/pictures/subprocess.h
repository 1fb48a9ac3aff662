// Other programs, run as filters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cnnc {

struct FilterResult {
  int code = 0;  // exit code; 128 + the signal that ended it
  std::string output, error;
};

/// Runs the program `command[0]` (found in $PATH) with `input` as its standard input. Nothing where
/// there is no such program. Throws Error where no process can be started.
std::optional<FilterResult> run_filter(const std::vector<std::string>& command,
                                       std::string_view input);

}  // namespace cnnc
