// The pipeline's two tables of passes: one row a pass, in the order in which they run.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ir/graph.h"
#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// What a pass keeps of the results that its input has; tests hold it to that.
enum class Preserves : std::uint8_t {
  bits,   // every bit (of a NaN: that it is one)
  bound,  // each operation's result within the rounding errors that the pass's header states
};

template <class Ir>
struct PassRow {
  std::string_view name;
  std::string_view description;
  Ir (*run)(const Ir&, const Target&);
  bool required = false;  // what comes after it cannot do without
  Preserves preserves = Preserves::bits;
};

std::span<const PassRow<Graph>> graph_passes();

/// Between the tables stands lower (passes/lower.h), of which the row's name and description are
/// these.
inline constexpr std::string_view kLowerName = "lower";
inline constexpr std::string_view kLowerDescription =
    "make a kernel of every stage of every op, and fix the order of every sum";

std::span<const PassRow<Program>> loop_passes();

}  // namespace cnnc
