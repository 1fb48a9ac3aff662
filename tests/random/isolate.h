// Runs a check in a process of its own: machine code that is wrong may do anything.
#pragma once

#include <functional>
#include <string>

namespace cnnc::testing {

/// What `run` returns, called in a child process; `crashed: ` and the signal where it does not get
/// that far, also where it takes more than `seconds`.
std::string isolated(const std::function<std::string()>& run, unsigned seconds = 60);

}  // namespace cnnc::testing
