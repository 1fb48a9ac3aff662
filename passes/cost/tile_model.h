// Which register tile a reduction gets: a model of one core, from Target alone.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// One output axis of a reduction nest.
struct TileAxis {
  std::int64_t extent = 0;
  bool vector = false;   // contiguous in the result: split into vectors
  bool dynamic = false;  // the extent is the most that it is at run time (the samples of a group)
};

/// One operand that the inner statement loads: which axes its address depends on.
struct TileLoad {
  std::vector<bool> varies;  // one an axis
  /// Elements from lane to lane along the vector axis: that many loads, and one shuffle less, make
  /// one vector. 0: all lanes have one element.
  std::int64_t stride = 1;
};

/// Factors, one an axis; of the vector axis: how many vectors.
struct Tile {
  std::vector<std::int64_t> factors;
  double cycles = 0;  // for one step of the reduction of all results
};

/// The tile with the least estimated time: per step of the reduction max(multiply-adds, loads) on a
/// core that starts two of each a cycle, while the accumulators and the operand that is kept fit
/// into the registers, at least enough independent accumulators to hide the latency of an FMA;
/// remainders counted at what they cost.
/// `operations` is how many instructions one accumulation takes (a multiply-add: 1): long ones need
/// no large tile to keep the units busy, and make much code of it. `terms` of one result: the core
/// goes on with the next tile while the last terms of a short sum are added up. `given`, where not
/// empty, is the tile to take (PassConfig::tile).
Tile choose_tile(const std::vector<TileAxis>& axes, const std::vector<TileLoad>& loads,
                 std::int64_t operations, double terms, std::int64_t lanes, const Target& target,
                 const std::vector<std::int64_t>& given = {});

}  // namespace cnnc
