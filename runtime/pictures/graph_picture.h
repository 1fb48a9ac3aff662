// Pictures of both IRs: what is computed from what, and in which fused group.
#pragma once

#include <cstdint>

#include "ir/graph/graph.h"
#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "runtime/pictures/dot.h"

namespace cnnc {

/// B×28×28×32, with the element type where it is not f32.
std::string shape_label(const TensorType& type);

/// A node an op, an arrow a value with its shape, a box a layer (another one for its part of the
/// backward pass). Colour: share of the FLOP. Constants and scalar inputs are written into the ops
/// that use them.
BoxPicture picture_of(const Graph& graph);

/// A node a buffer that a kernel writes, an arrow a buffer that the computation of another one
/// reads, with its shape; a box a kernel, so that what was fused stands together. Colour: share of
/// the cycles that the cost model predicts for `count` rows. Dashed: in a worker's scratch.
BoxPicture picture_of(const Program& program, std::int64_t count, const Target& target);

}  // namespace cnnc
