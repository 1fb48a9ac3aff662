// The machine that this process runs on, as LLVM and the operating system describe it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/target/target.h"

namespace cnnc {

/// Name `native`, LLVM's CPU and feature strings, vector width and registers from the features,
/// cache sizes from the system.
Target host_target();

/// Whether this machine has the CPU feature of this name (LLVM's).
bool host_has(std::string_view feature);
/// The CPU features that code for a named target may use; none for `native`.
std::vector<std::string> required_features(const Target& target);
/// Throws Error, with what is missing, where this machine cannot run code for `target`. `has` says
/// which features there are: this machine's, but for tests.
void check_runs_here(const Target& target,
                     const std::function<bool(std::string_view)>& has = host_has);

/// Throws Error where this process may not make memory executable, and names the restriction:
/// machine code can be compiled then, not run.
void check_may_execute();

}  // namespace cnnc
