// What fusion leaves behind.
#pragma once

#include "ir/loop/loop.h"

namespace cnnc {

/// `program` without the arena, constant, thread, stack and register buffers that no kernel
/// touches, itself or through a view, the rest numbered anew; unused views go as well. Inputs,
/// states and outputs stay: they belong to the caller.
Program prune_buffers(const Program& program);

}  // namespace cnnc
