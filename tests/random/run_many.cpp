#include "tests/random/run_many.h"

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/random/isolate.h"
#include "tests/random/report.h"
#include "tests/random/shrink.h"

namespace cnnc::testing {
namespace {

constexpr std::uint64_t kChunk = 10;  // networks a process

class Run {
 public:
  Run(const RunOptions& options, const Language& language)
      : options_(options), language_(language) {}

  RunResult run() {
    std::vector<std::thread> threads;
    for (int job = 0; job < options_.jobs; ++job) threads.emplace_back([&] { work(); });
    for (std::thread& thread : threads) thread.join();
    return std::move(result_);
  }

 private:
  Lane lane_of(std::uint64_t seed) const { return options_.lanes[seed % options_.lanes.size()]; }

  Trial trial_of(const Network& network, std::uint64_t seed) const {
    return make_trial(network, seed, lane_of(seed), language_, options_.configurations);
  }

  /// The statistics of networks `first` .. `last`, then the seeds of those that failed, as JSON.
  std::string checked(std::uint64_t first, std::uint64_t last) const {
    Statistics statistics;
    std::vector<std::uint64_t> failed;
    for (std::uint64_t seed = first; seed < last; ++seed) {
      const Trial trial = trial_of(generate(seed, lane_of(seed), language_), seed);
      if (!failure_of(trial, language_, &statistics).empty()) failed.push_back(seed);
    }
    return nlohmann::json{{"statistics", json_of(statistics, 0)}, {"failed", failed}}.dump();
  }

  void work() {
    const std::uint64_t end = options_.seed + options_.networks;
    for (std::uint64_t first = next(); first < end && !enough(); first = next()) {
      const std::uint64_t last = std::min(first + kChunk, end);
      if (take(isolated([&] { return checked(first, last); }, 600))) continue;
      for (std::uint64_t seed = first; seed < last; ++seed)  // one of them crashed
        if (!take(isolated([&] { return checked(seed, seed + 1); }))) add_failure(seed);
    }
  }

  std::uint64_t next() { return options_.seed + kChunk * chunk_++; }

  bool enough() {
    const std::lock_guard lock(mutex_);
    return result_.failures.size() >= options_.failures;
  }

  /// False where the text is not that of `checked`.
  bool take(const std::string& text) {
    if (text.starts_with("crashed")) return false;
    const auto json = nlohmann::json::parse(text);
    {
      const std::lock_guard lock(mutex_);
      result_.statistics.add(statistics_of(json.at("statistics").get<std::string>()));
    }
    for (const auto seed : json.at("failed").get<std::vector<std::uint64_t>>()) add_failure(seed);
    return true;
  }

  void add_failure(std::uint64_t seed) {
    const auto failure = [&](const Trial& trial) {
      return isolated([&] { return failure_of(trial, language_, nullptr); });
    };
    const Network network = generate(seed, lane_of(seed), language_);
    Trial trial = trial_of(network, seed);
    std::string text = failure(trial);
    if (options_.shrinks) {
      // The same check must fail: its name is what stands in front. Of exceptions, the same one.
      const bool thrown = text.starts_with("exception");
      const std::string kind = text.substr(0, text.find_first_of(thrown ? "\n" : ":("));
      trial = shrink(
          network, trial, language_,
          [&](const Trial& t) { return failure(t).starts_with(kind) && !kind.empty(); }, 400);
      text = failure(trial);
    }
    const std::lock_guard lock(mutex_);
    result_.failures.push_back(test_of(trial, text));
  }

  const RunOptions& options_;
  const Language& language_;
  std::atomic<std::uint64_t> chunk_ = 0;
  std::mutex mutex_;
  RunResult result_;
};

}  // namespace

RunResult run_many(const RunOptions& options, const Language& language) {
  return Run(options, language).run();
}

}  // namespace cnnc::testing
