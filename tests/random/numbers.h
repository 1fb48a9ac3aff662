// The numbers that a trial's programs run on, and running them.
#pragma once

#include <set>
#include <string>

#include "tests/ir_runs.h"
#include "tests/random/trial.h"

namespace cnnc::testing {

/// Of the model's learning rate as its optimizer has it; 0.5 where it has none.
double learning_rate(const Model& model);

/// Inputs and states of `program`. Whole numbers: images of 0 and 255, which are 0 and 1 in the
/// model, and weights from -2 to 2.
Tensors numbers_for(const Program& program, const Model& model, std::int64_t batch,
                    std::int64_t count, Lane lane, std::uint64_t seed);

/// Names of the graph's outputs that have a row for each sample.
std::set<std::string> outputs_by_row(const Graph& graph);

/// The first rows of those tensors, all of the others.
Tensors called_rows(const Tensors& tensors, const std::set<std::string>& by_row,
                    std::int64_t count);

/// Inputs of a graph: those that it has, the rows of the call only.
std::map<std::string, Tensor> graph_inputs(const Graph& graph, const Tensors& inputs,
                                           std::int64_t count);

/// Sets the inputs, runs and reads the tensors called `names`.
Tensors called(Executable& executable, const Tensors& inputs, const std::set<std::string>& names,
               std::int64_t count, ThreadPool& pool);

}  // namespace cnnc::testing
