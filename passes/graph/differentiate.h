// Reverse mode: the gradient of the loss with respect to every parameter, as graph nodes.
#pragma once

#include "ir/graph/graph.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// `graph` with an output `gradient.NAME` for every parameter NAME: d loss / d NAME, zeros where
/// the loss does not depend on it. Nodes of a gradient carry the label of the node they belong to.
/// A graph without an optimizer is returned as it is. Throws Error, naming op and layer, where the
/// way from a parameter to the loss leads through an op without gradient, and where there is no
/// scalar output `loss`.
Graph differentiate_graph(const Graph& graph, const PassContext& context);

}  // namespace cnnc
