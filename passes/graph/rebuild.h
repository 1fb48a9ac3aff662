// Rebuilding graphs: what passes over the graph IR share.
#pragma once

#include "ir/graph/graph.h"

namespace cnnc {

/// A builder that holds the nodes of `graph` under their numbers, its outputs and its optimizer, to
/// add to.
Builder copy_of(const Graph& graph);

/// `graph` without the nodes that no output needs, inputs included.
Graph without_dead_nodes(const Graph& graph);

}  // namespace cnnc
