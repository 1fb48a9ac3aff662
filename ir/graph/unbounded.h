// Which values of a graph may be of any size and sign, as far as the ops tell.
#pragma once

#include "ir/graph/graph.h"

namespace cnnc {

/// Whether `value` is made of weights or states by nothing but sums, products, maxima and moves: a
/// probability is not. False also where nobody knows: an op that says nothing of itself may well
/// make shares of 1, and so may quotients.
bool is_unbounded(const Graph& graph, Value value);

}  // namespace cnnc
