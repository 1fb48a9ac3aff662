// Many random networks, each checked in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "tests/random/trial.h"

namespace cnnc::testing {

struct RunOptions {
  std::uint64_t seed = 1;  // of the first network; the next ones count on
  std::uint64_t networks = 100;
  std::vector<Lane> lanes{Lane::whole, Lane::real, Lane::special};  // in turn
  int jobs = 1;                                                     // processes at a time
  int configurations = 1;                                           // of machine code, a network
  bool shrinks = true;                                              // failures are made small
  std::size_t failures = 5;                                         // after so many it ends
};

struct RunResult {
  Statistics statistics;
  std::vector<std::string> failures;  // ready tests
};

RunResult run_many(const RunOptions& options, const Language& language);

}  // namespace cnnc::testing
