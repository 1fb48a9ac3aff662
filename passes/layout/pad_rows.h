// Rows of images as whole vectors.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// The rows of images that live in the arena or a thread's scratch, and that the vectors of sums
/// slide along (a kernel's columns), become whole vectors, so that few loads lie across two lines
/// of the cache; not where that puts rows into the same few places of a cache.
/// Preserves bits.
Program pad_rows(const Program& program, const PassContext& context);

}  // namespace cnnc
