// Sums that read an image itself where none of its padding is in reach.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Where filling a padded copy of an image takes a good part of the time (sums of few terms, as
/// those of depthwise convolutions), only what the border's sums read of it is filled; the others
/// read the image. Results keep their bits.
Program partition_padding(const Program& program, const PassContext& context);

}  // namespace cnnc
