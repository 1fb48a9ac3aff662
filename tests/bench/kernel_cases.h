// The kernels that kernel_bench measures: one op each, in ordinary and in odd shapes.
#pragma once

#include <string>
#include <vector>

#include "ir/graph/graph.h"

namespace cnnc::bench {

struct KernelCase {
  std::string name;  // conv/weight_gradient/3x3/28x28x17/stride:2
  Graph graph;       // inputs x0, x1; outputs y0 ...
};

/// Convolutions (forward and both gradients), depthwise ones, dense layers, pools; in groups of
/// these names.
std::vector<KernelCase> kernel_cases();

}  // namespace cnnc::bench
