// Layouts of images that only the program sees.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// A local image whose readers make too few channels to fill a vector is laid out with its columns
/// innermost, those that a strided convolution reads together as neighbours: lanes along a row then
/// load a vector, where they would have to be put together from several. Done where the tile model
/// promises more than what filling the image costs more. Preserves bits.
Program choose_layout(const Program& program, const PassContext& context);

}  // namespace cnnc
