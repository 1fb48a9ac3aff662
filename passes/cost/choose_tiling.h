// How a sum is tiled: along which axis vectors go, and how many of its results a tile has.
#pragma once

#include "passes/analysis/reduction_nest.h"
#include "passes/context/pass_context.h"
#include "passes/cost/tile_model.h"

namespace cnnc {

struct Tiling {
  int vector = -1;             // the axis that vectors go along; -1: none
  std::int64_t lanes = 1;      // of the widest type, in one vector
  Tile tile;                   // factors, one an axis
  double cycles = 0;           // for all results of a sample, by the model
  bool fills_vectors = false;  // from neighbours, without putting lanes together
};

/// What the tile model takes for the fastest.
Tiling choose_tiling(const Program& program, const ReductionNest& nest, const PassContext& context);

}  // namespace cnnc
