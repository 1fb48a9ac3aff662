// Rewrites that make a graph smaller without changing what it computes.
#pragma once

#include <span>

#include "ir/graph/graph.h"
#include "passes/context/pass_context.h"
#include "passes/graph/rewriter.h"

namespace cnnc {

/// `graph` with the rules applied to every node, and without nodes (inputs included) that no output
/// needs. Every rule keeps the bits of all results, but for log_of_exp, which is more exact than
/// what it replaces.
Graph simplify(const Graph& graph, const PassContext& context);

/// The rules, in the order in which they are tried.
std::span<const RewriteRule> simplify_rules();

}  // namespace cnnc
