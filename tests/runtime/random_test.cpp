#include "runtime/train/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

namespace cnnc {
namespace {

Parameter he(std::string name, ScalarType type, Dims dims, std::int64_t fan_in) {
  return {.name = std::move(name),
          .type = {type, std::move(dims)},
          .initializer = {Initializer::Kind::he_normal, fan_in}};
}

// From an independent computation, in another language: another platform or a changed generator
// would break every saved seed.
TEST(Random, bits_are_the_same_everywhere_and_for_ever) {
  EXPECT_EQ(random_bits(0, 0, 0), 0x238275bc38fcbe91U);
  EXPECT_EQ(random_bits(1, 2, 3), 0xd0734750fde362b3U);
  EXPECT_THAT(shuffled_order(10, 1, 1), testing::ElementsAre(0, 5, 7, 8, 6, 2, 4, 1, 3, 9));
}

TEST(Random, each_part_of_the_key_matters_and_bits_are_balanced) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 8; ++a) {
    for (std::uint64_t b = 0; b < 8; ++b) {
      for (std::uint64_t c = 0; c < 8; ++c) seen.insert(random_bits(a, b, c));
    }
  }
  EXPECT_EQ(seen.size(), 512U);
  // Flipping one bit of the key flips half of the result's bits, within five deviations of 10,000
  // trials.
  for (int part = 0; part < 3; ++part) {
    std::int64_t flipped = 0;
    for (std::uint64_t i = 0; i < 10'000; ++i) {
      std::uint64_t key[3] = {i, i * 7, i * 13};
      const auto before = random_bits(key[0], key[1], key[2]);
      key[part] ^= std::uint64_t{1} << (i % 64);
      flipped += std::popcount(before ^ random_bits(key[0], key[1], key[2]));
    }
    EXPECT_NEAR(static_cast<double>(flipped) / 10'000, 32, 5 * 4 / 100.0) << "part " << part;
  }
}

TEST(Random, uniform_numbers_fill_their_interval_evenly) {
  int bins[16] = {};
  for (std::uint64_t i = 0; i < 160'000; ++i) {
    const double value = random_uniform(5, 6, i);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++bins[static_cast<int>(value * 16)];
  }
  double chi_square = 0;
  for (int bin : bins) chi_square += (bin - 10'000.0) * (bin - 10'000.0) / 10'000;
  EXPECT_LT(chi_square, 37.7);  // 15 degrees of freedom, one in a thousand
}

TEST(Random, an_order_is_a_permutation_keyed_by_seed_and_epoch) {
  for (std::int64_t count : {0, 1, 2, 3, 100, 60'000}) {
    auto order = shuffled_order(count, 1, 1);
    EXPECT_EQ(order, shuffled_order(count, 1, 1));
    if (count > 50) {
      EXPECT_NE(order, shuffled_order(count, 1, 2));
      EXPECT_NE(order, shuffled_order(count, 2, 1));
    }
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(Random, every_permutation_of_four_is_about_as_likely) {
  std::map<std::vector<std::int64_t>, int> times;
  for (std::uint64_t epoch = 0; epoch < 24'000; ++epoch) ++times[shuffled_order(4, 9, epoch)];
  ASSERT_EQ(times.size(), 24U);
  double chi_square = 0;
  for (const auto& [order, count] : times) chi_square += (count - 1000.0) * (count - 1000.0) / 1000;
  EXPECT_LT(chi_square, 49.7);  // 23 degrees of freedom, one in a thousand
}

TEST(Initialize, he_normal_has_its_moments) {
  const Tensor tensor = initialize(he("dense1.weight", ScalarType::f64, {3136, 128}, 3136), 1);
  const auto values = tensor.data<double>();
  const double count = static_cast<double>(values.size());
  double mean = 0, square = 0, fourth = 0;
  for (double value : values) mean += value / count;
  for (double value : values) {
    const double scaled = value / std::sqrt(2.0 / 3136);
    square += scaled * scaled / count;
    fourth += scaled * scaled * scaled * scaled / count;
  }
  EXPECT_NEAR(mean / std::sqrt(2.0 / 3136), 0, 5 / std::sqrt(count));
  EXPECT_NEAR(square, 1, 5 * std::sqrt(2 / count));
  EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96 / count));  // normal, not merely of this deviation
}

TEST(Initialize, both_precisions_start_from_the_same_numbers) {
  const Tensor f32 = initialize(he("conv1.weight", ScalarType::f32, {3, 3, 1, 32}, 9), 7);
  const Tensor f64 = initialize(he("conv1.weight", ScalarType::f64, {3, 3, 1, 32}, 9), 7);
  for (std::int64_t i = 0; i < f32.size(); ++i) {
    ASSERT_EQ(f32.get(i), static_cast<double>(static_cast<float>(f64.get(i))));
  }
}

TEST(Initialize, seed_and_name_decide_the_values) {
  const auto values = [](const std::string& name, std::uint64_t seed) {
    const Tensor tensor = initialize(he(name, ScalarType::f32, {64}, 9), seed);
    return std::vector(tensor.data<float>().begin(), tensor.data<float>().end());
  };
  EXPECT_EQ(values("conv1.weight", 1), values("conv1.weight", 1));
  EXPECT_NE(values("conv1.weight", 1), values("conv1.weight", 2));
  EXPECT_NE(values("conv1.weight", 1), values("conv2.weight", 1));
}

TEST(Initialize, zeros_and_ones_are_that) {
  for (auto [kind, expected] :
       {std::pair{Initializer::Kind::zeros, 0.0}, {Initializer::Kind::ones, 1.0}}) {
    for (ScalarType type : {ScalarType::f32, ScalarType::f64, ScalarType::i64}) {
      const Tensor tensor =
          initialize({.name = "x", .type = {type, {5}}, .initializer = {kind, 1}}, 3);
      for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(tensor.get(i), expected);
    }
  }
}

}  // namespace
}  // namespace cnnc
