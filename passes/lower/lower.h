// Graph IR -> loop IR.
#pragma once

#include "ir/graph/graph.h"
#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// One kernel for each stage of each op's compute, one buffer for each stage; no op is known by
/// name. What is fixed here for good: the order of every reduction. A sum over the batch goes over
/// the samples of a group (reduction_order.h) in order, then over the groups in order; where the result
/// is large it goes over all samples in order instead, since its elements are parallel enough.
/// Neither depends on the target or on threads. Preserves results within the rounding of sums,
/// whose order the graph leaves open.
Program lower(const Graph& graph, const PassContext& context);

}  // namespace cnnc
