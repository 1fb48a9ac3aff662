// One network under test, with everything that its checks depend on, and the checks.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "passes/context/pass_context.h"
#include "runtime/compile.h"
#include "tests/random/generate.h"

namespace cnnc::testing {

/// One way of compiling and calling.
struct Configuration {
  Mode mode = Mode::train;
  std::string target = "native";
  std::vector<std::string> skip = {};
  std::vector<std::int64_t> tile = {};  // PassConfig::tile
  int threads = 1;
  bool from_text = false;  // the last program is printed and read again before it is compiled
  bool quick = false;      // EmitOptions::quick
  int smaller_caches = 1;  // than the target's, so many times: for small networks to fill them
};

/// The target that it names and its caches, and its tile.
PassContext context_of(const Configuration& configuration);

struct Trial {
  std::string text;
  Lane lane = Lane::real;
  ScalarType real = ScalarType::f32;
  std::int64_t count = 1;  // rows of a call, at most the batch of the text
  std::uint64_t seed = 1;  // of the numbers
  std::vector<Configuration> configurations = {};
};

/// Whether some value is used more than once.
bool has_branches(const Model& model);

/// What happened, for the report: how many networks had an op, an argument, ... under its name.
struct Statistics {
  std::int64_t networks = 0, branched = 0, exact = 0, compiled = 0, compared = 0;
  std::int64_t splits = 0, near_kinks = 0, directions = 0;
  std::int64_t routed = 0;  // programs whose pooled gradients go to arg-maxes
  std::map<std::string, std::int64_t> ops, layers, arguments, passes, configurations, batches;

  void add(const Statistics& other);
};

/// The batch of the trial's network, how it is called and compiled: a function of the seed.
Trial make_trial(const Network& network, std::uint64_t seed, Lane lane, const Language& language,
                 int configurations = 2);

/// Empty where every check holds; otherwise the check's name, `: ` and what was seen.
std::string failure_of(const Trial& trial, const Language& language, Statistics* statistics);

/// The trial as a GoogleTest case.
std::string test_of(const Trial& trial, const std::string& failure);

}  // namespace cnnc::testing
