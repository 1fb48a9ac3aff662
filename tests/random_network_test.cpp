// Networks that nobody thought of, against references, interpreters and each other. The tool
// random_networks tries more of them; what it finds can be pasted here.
#include <gtest/gtest.h>

#include "tests/random/op_layers.h"
#include "tests/random/trial.h"

namespace cnnc::testing {
namespace {

constexpr int kShards = 12;
constexpr std::uint64_t kNetworks = 6;  // a shard

class RandomNetworks : public ::testing::TestWithParam<int> {};

TEST_P(RandomNetworks, agree_with_references_and_under_every_configuration) {
  const Language language = random_language();
  const auto first = static_cast<std::uint64_t>(GetParam()) * kNetworks;
  for (std::uint64_t seed = first; seed < first + kNetworks; ++seed) {
    const Lane lane = std::array{Lane::whole, Lane::real, Lane::special}[seed % 3];
    const Trial trial = make_trial(generate(seed, lane, language), seed, lane, language);
    const std::string failure = failure_of(trial, language, nullptr);
    EXPECT_EQ(failure, "") << test_of(trial, failure);
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, RandomNetworks, ::testing::Range(0, kShards));

}  // namespace
}  // namespace cnnc::testing
