// Networks that nobody thought of, against references, interpreters and each other. The tool
// random_networks tries more of them; what it finds can be pasted here.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tests/random/op_layers.h"
#include "tests/random/shrink.h"
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

// What the tool demands of a long run (report.h), of as many networks as can be made in a second.
TEST(generator, gives_branches_to_three_networks_in_ten_of_every_lane) {
  const Language language = random_language();
  constexpr int kTried = 150;
  for (const Lane lane : {Lane::whole, Lane::real, Lane::special}) {
    int branched = 0;
    for (std::uint64_t seed = 1; seed <= kTried; ++seed)
      branched += has_branches(parse_model(
          {"random.model", text_of(generate(seed, lane, language), language)}, language));
    EXPECT_GE(branched, kTried * 3 / 10) << name_of(lane);
  }
}

/// What is planted is a failure of every valid model that has a maxpool of any size.
TEST(shrink, leaves_a_valid_model_with_little_but_what_fails) {
  const Language language = random_language();
  const auto parsed = [&](const Trial& trial) -> std::optional<Model> {
    try {
      return parse_model({"shrunk.model", trial.text}, language);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  const auto fails = [&](const Trial& trial) {
    const auto model = parsed(trial);
    return model && std::ranges::any_of(model->layers, [](const LayerUse& use) {
             return use.layer == "maxpool" && use.arguments.find("size") != nullptr;
           });
  };
  int shrunk = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Network network = generate(seed, Lane::real, language);
    const Trial trial = make_trial(network, seed, Lane::real, language);
    if (!fails(trial)) continue;
    const Trial small = shrink(network, trial, language, fails);
    ASSERT_TRUE(fails(small)) << small.text;
    EXPECT_LE(parsed(small)->layers.size(), 3U) << trial.text << small.text;
    EXPECT_TRUE(small.configurations.empty()) << small.text;
    ++shrunk;
  }
  EXPECT_GE(shrunk, 5);
}

}  // namespace
}  // namespace cnnc::testing
