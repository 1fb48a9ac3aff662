// Weights in the order in which tiles read them.
#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Sums over the rows of a matrix (or of more dimensions) that a tile reads a panel of columns at a
/// time read a copy of it instead, in which a panel's rows follow one another: rows far apart fall
/// into the same few sets of a cache and onto pages of their own. A matrix that is the same for
/// every sample, larger than the first-level cache, and read so often that the copy is a small
/// part of that; where no kernel writes weights (inference), `run_once` makes the copy once. What was
/// itself only a copy (transposed weights) is skipped over. Preserves bits.
Program pack_operands(const Program& program, const PassContext& context);

}  // namespace cnnc
