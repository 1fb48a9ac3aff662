// The figures of a benchmark, for people and for programs.
#pragma once

#include <string>

#include "runtime/inspect/benchmark.h"

namespace cnnc {

/// The tables of `cnnc MODEL --bench`. Ends in a newline.
std::string benchmark_text(const BenchmarkResult& result);
/// Those of `cnnc MODEL --explain`: predictions only.
std::string explanation_text(const BenchmarkResult& result);

/// The JSON object of --json. Rates are medians, `..._range` [least, greatest]; sizes are in bytes,
/// times in the unit that the name says. `training` is null for a model without a train section.
std::string benchmark_json(const BenchmarkResult& result);

}  // namespace cnnc
