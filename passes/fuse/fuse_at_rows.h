// The fourth part of fusion: producers of an image and what reads it, row by row.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Within a sample, a nest that makes an image (a convolution) and those after it that read its
/// rows in disjoint bands, each band once and nothing else (a pool: value and arg-max), share their
/// loop over rows; the image shrinks to one band. Rows that no band reaches are not computed.
/// Preserves bits.
Program fuse_at_rows(const Program& program, const PassContext& context);

}  // namespace cnnc
