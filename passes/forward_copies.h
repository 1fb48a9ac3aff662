// Copies of results into larger buffers.
#pragma once

#include "ir/loop.h"

namespace cnnc {

/// Where all that is done with a buffer is to copy it elsewhere, within the same loops, its values
/// are stored there at once. Preserves bits.
Program forward_copies(const Program& program);

}  // namespace cnnc
