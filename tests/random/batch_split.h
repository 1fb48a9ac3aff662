// Gradients of a batch against those of its two parts.
//
// Where no row's values depend on another row, the gradient of a sum of losses over a batch is the
// sum of its parts' gradients. What belongs to a row has the same bits in either call, but for a
// power of two: so the two can only differ by the order in which rows are added up. A mean divides
// by the number of rows, which scales exactly where the parts are halves.
#pragma once

#include <string>

#include "runtime/inspect/interpret_ir.h"
#include "tests/random/trial.h"

namespace cnnc::testing {

/// How the gradients of the training graph's parameters, as machine code, differ from those of the
/// two parts of the first `count` rows of `inputs`; empty where they keep the bound
///
///     |whole - (first + second)| <= 2 gamma_n * sum |a * b|
///
/// (n: operations of the longest chain that adds up rows; gamma_n = n u / (1 - n u); the sum is
/// over the whole batch), which is 0 where the references say that no step rounds. The loss is the
/// sum over the rows, which are split after `first` of them, or their mean, of which the halves of
/// the greatest even number are taken, halved. Empty and not counted where rows depend on each
/// other (batch_norm), where there is nothing to split, and where there is no parameter.
std::string batch_split_difference(const Graph& training, const Configuration& configuration,
                                   const Tensors& inputs, std::int64_t count, std::int64_t first,
                                   Statistics& statistics);

}  // namespace cnnc::testing
