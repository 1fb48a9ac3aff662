// Copies of results into larger buffers.
#pragma once

#include <functional>

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Where all that is done with a buffer is to copy it elsewhere, within the same loops, its values
/// are stored there at once. Preserves bits.
Program forward_stores(const Program& program, const PassContext& context);

/// The same, into those buffers (storages) that `into` says.
Program forward_stores_into(const Program& program, const std::function<bool(const Buffer&)>& into);

}  // namespace cnnc
