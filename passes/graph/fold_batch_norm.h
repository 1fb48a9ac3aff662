// Batch normalisation of inference, folded into the weights before it.
#pragma once

#include "ir/graph/graph.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// In a graph that does not train, factors and offsets per channel that follow a convolution or a
/// dense layer move into its weights and one bias: (x * w + b - mean) * s + t becomes x * (w * s) +
/// ((b - mean) * s + t). Results differ by rounding: those of a sum of k products by k + 4
/// roundings at most, relative to the sum of the products' magnitudes. (Jacob et al., Quantization
/// and Training of Neural Networks, 2018, section 3.2.)
Graph fold_batch_norm(const Graph& graph, const PassContext& context);

}  // namespace cnnc
