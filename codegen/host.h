// The machine that this process runs on, as LLVM and the operating system describe it.
#pragma once

#include "ir/target.h"

namespace cnnc {

/// Name `native`, LLVM's CPU and feature strings, vector width and registers from the features,
/// cache sizes from the system.
Target host_target();

}  // namespace cnnc
