// A map of a program's memory over time: which buffer lies where, from when to when.
#pragma once

#include <string>

#include "ir/loop/loop.h"

namespace cnnc {

/// SVG. Left to right the kernels, bottom to top the addresses of the arena, a rectangle a buffer,
/// coloured by layer; a line for the bytes that are alive. Below it the same for the kernel with
/// the largest scratch, from statement to statement. Throws Error for a program whose memory is not
/// planned.
std::string memory_map(const Program& program);

}  // namespace cnnc
