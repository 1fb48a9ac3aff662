// random_networks: tries networks that nobody thought of; prints what failed as ready tests. Exits
// with 1 where a network failed or the networks reached too little of the language and compiler.
#include <CLI/CLI.hpp>
#include <fstream>

#include "tests/random/op_layers.h"
#include "tests/random/report.h"
#include "tests/random/run_many.h"

int main(int argc, char** argv) {
  using namespace cnnc::testing;
  RunOptions options;
  std::vector<std::string> lanes;
  std::string json;
  bool keep = false, show = false;
  CLI::App app("random networks against references, interpreters and each other");
  app.add_option("--seed", options.seed, "of the first network")->capture_default_str();
  app.add_option("--count", options.networks, "networks")->capture_default_str();
  app.add_option("--jobs", options.jobs, "processes at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--lane", lanes, "whole, real or special numbers; all three in turn by default")
      ->check(CLI::IsMember({"whole", "real", "special"}));
  app.add_option("--configurations", options.configurations, "ways of compiling each network")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--failures", options.failures, "end after so many")->capture_default_str();
  app.add_option("--json", json, "write the counts to this file");
  app.add_flag("--no-shrink", keep, "show failing networks as they are");
  app.add_flag("--show", show, "print the model texts and check nothing");
  CLI11_PARSE(app, argc, argv);
  options.shrinks = !keep;
  if (!lanes.empty()) {
    options.lanes.clear();
    for (const Lane lane : {Lane::whole, Lane::real, Lane::special})
      if (std::ranges::find(lanes, name_of(lane)) != lanes.end()) options.lanes.push_back(lane);
  }
  const cnnc::Language language = random_language();
  if (show) {
    for (std::uint64_t i = options.seed; i < options.seed + options.networks; ++i)
      fmt::print("# seed {}\n{}\n", i,
                 text_of(generate(i, options.lanes[i % options.lanes.size()], language), language));
    return 0;
  }
  const RunResult result = run_many(options, language);
  fmt::print("{}", report(result.statistics, language));
  if (!json.empty()) {
    std::ofstream file(json);
    file << json_of(result.statistics, static_cast<std::int64_t>(result.failures.size())) << "\n";
    if (!file) {
      fmt::print(stderr, "cannot write {}\n", json);
      return 1;
    }
  }
  for (const std::string& failure : result.failures) fmt::print("\n{}", failure);
  fmt::print("\n{} networks, {} mismatches\n", result.statistics.networks, result.failures.size());
  // Shares say little of a few networks, and nothing of a single lane.
  bool poor = false;
  if (options.networks >= 500 && options.lanes.size() == 3 && result.failures.empty())
    for (const std::string& complaint : too_rare(result.statistics, language)) {
      fmt::print("{}\n", complaint);
      poor = true;
    }
  return result.failures.empty() && !poor ? 0 : 1;
}
