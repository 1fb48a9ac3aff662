// The targets whose code this machine can run.
#pragma once

#include <vector>

#include "codegen/host.h"
#include "ir/base/diagnostic.h"

namespace cnnc {

/// This machine itself, and every named target that it can run.
inline std::vector<Target> targets_of_this_machine() {
  std::vector<Target> targets{host_target()};
  for (const char* name : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    const Target target = *named_target(name);
    try {
      check_runs_here(target);
    } catch (const Error&) {
      continue;
    }
    targets.push_back(target);
  }
  return targets;
}

}  // namespace cnnc
