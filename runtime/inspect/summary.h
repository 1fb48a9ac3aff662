// What a model is made of and what it costs: the table that `cnnc MODEL` prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "frontend/model.h"
#include "ir/graph/graph.h"

namespace cnnc {

/// FLOP (2 a multiply-add) for one image of `node`.
std::int64_t node_flops(const Graph& graph, const Node& node);
/// FLOP (2 a multiply-add) for one image of the nodes of `graph` that carry `label`; of all nodes
/// where there is no label given.
std::int64_t graph_flops(const Graph& graph);
std::int64_t graph_flops(const Graph& graph, std::string_view label);

/// A value as the model language writes it: 3x3, 0.5, true, a word.
std::string argument_text(const ArgumentDef& argument, const AttributeValue& value);

/// A row a layer with output shape, parameters and MFLOP; totals; memory. Ends in a newline.
std::string summary(const Model& model, const Language& language);

}  // namespace cnnc
