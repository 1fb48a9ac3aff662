// Other numbers for a program's buffers.
#pragma once

#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// Gives every buffer that the kernels and the views of `program` name its new number,
/// numbers[BufferId]; the table of buffers is the caller's to put in order.
void renumber_buffers(Program& program, const std::vector<BufferId>& numbers);

}  // namespace cnnc
