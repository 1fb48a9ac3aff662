// The graph's nodes against the references of their ops.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ir/graph/graph.h"

namespace cnnc::testing {

using NodeValues = std::map<Value, Tensor>;

/// Terms of the longest chain of operations behind one element of the node, and some for the rest.
double operations(const Graph& graph, const Node& node, std::int64_t count);

/// Every node's value by the references alone, or nothing where some result may have been rounded:
/// the op is not declared exact on whole numbers, or numbers are too large or too fine. Values of
/// inputs by name.
std::optional<NodeValues> exact_values(const Graph& graph,
                                       const std::map<std::string, Tensor>& inputs);

/// How the values of a node lie off what its op's reference makes of its operands' values; empty
/// where they agree. Bit for bit where the op is exact on these operands, otherwise within
/// gamma_n * sum |a * b|. `contracted`: products may have joined sums unrounded.
std::string node_difference(const Graph& graph, int node, const NodeValues& values,
                            std::int64_t count, bool contracted);

}  // namespace cnnc::testing
