// What a run of random networks found, for people and for programs.
#pragma once

#include <string>

#include "tests/random/trial.h"

namespace cnnc::testing {

/// Counts, and shares of the networks, one line each.
std::string report(const Statistics& statistics, const Language& language);

/// The same as JSON: networks, mismatches, and counts by op, layer, argument, pass, configuration.
std::string json_of(const Statistics& statistics, std::int64_t mismatches);
Statistics statistics_of(const std::string& json);

/// What of the language and the pipeline no network reached or too few did: rows and arguments of
/// every table, ops, passes (5 % each), branches (30 %). Empty where all is well.
std::vector<std::string> too_rare(const Statistics& statistics, const Language& language);

}  // namespace cnnc::testing
