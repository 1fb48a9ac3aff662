// The update rule as graph nodes: what makes a graph with gradients a training step.
#pragma once

#include "ir/graph/graph.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// `graph` with its optimizer applied: for every output `gradient.NAME` the outputs NAME (the
/// parameter's new value) and NAME.SUFFIX (new states, whose old values are inputs with role
/// `state`, zeros at the start), and without the gradients and the optimizer. Further inputs: the
/// scalars lr (of the parameters' type) and step (i64, from 1), as far as the rule uses them. A
/// graph without an optimizer is returned as it is. Throws Error where the optimizer or one of its
/// arguments is unknown, missing or contradicts another, and where a parameter has no gradient.
Graph apply_optimizer(const Graph& graph, const PassContext& context);

}  // namespace cnnc
