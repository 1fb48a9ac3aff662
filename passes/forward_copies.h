// Copies of results into larger buffers.
#pragma once

#include <functional>

#include "ir/loop.h"

namespace cnnc {

/// Where all that is done with a buffer is to copy it elsewhere, within the same loops, its values
/// are stored there at once: into all buffers or those (storages) that `into` says. Preserves bits.
Program forward_copies(const Program& program, const std::function<bool(const Buffer&)>& into = {});

}  // namespace cnnc
