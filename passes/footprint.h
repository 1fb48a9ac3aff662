// What statements touch, buffer by buffer.
#pragma once

#include <set>

#include "ir/loop.h"

namespace cnnc {

/// By storage: a view counts as what it views.
struct Footprint {
  std::set<BufferId> reads, writes;

  /// Whether one writes what the other one reads or writes: then their order matters.
  bool conflicts_with(const Footprint& other) const;
};

Footprint footprint(const Program& program, const Block& block);

}  // namespace cnnc
