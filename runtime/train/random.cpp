#include "runtime/train/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio, splitmix64's step

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

double unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// Uniform in 0 .. bound by Lemire's multiplication (Fast Random Integer Generation in an Interval,
/// 2019), without his rejection: with 64 bits and bounds below 2^40 the bias is below 2^-24 of a
/// probability that is already tiny, and every index costs exactly one number.
std::uint64_t below(std::uint64_t bits, std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits) * bound) >> 64);
}

}  // namespace

std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  std::uint64_t z = mix(seed + kGolden);
  z = mix((z ^ stream) + kGolden);
  return mix((z ^ index) + kGolden);
}

double random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return unit(random_bits(seed, stream, index));
}

double random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  // 1 - uniform is in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2 * std::log(1 - random_uniform(seed, stream, 2 * index)));
  return radius * std::cos(2 * std::numbers::pi * random_uniform(seed, stream, 2 * index + 1));
}

std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : name) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return hash;
}

std::vector<std::int64_t> shuffled_order(std::int64_t count, std::uint64_t seed,
                                         std::uint64_t epoch) {
  CNNC_CHECK(count >= 0, "{} records", count);
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  const std::uint64_t stream = stream_of("shuffle") + epoch;
  for (std::uint64_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[below(random_bits(seed, stream, i), i)]);
  }
  return order;
}

Tensor initialize(const Parameter& parameter, std::uint64_t seed) {
  Tensor tensor(parameter.type);
  switch (parameter.initializer.kind) {
    case Initializer::Kind::zeros: return tensor;
    case Initializer::Kind::ones:
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, 1);
      return tensor;
    case Initializer::Kind::he_normal: {
      CNNC_CHECK(parameter.initializer.fan_in > 0, "{} has fan-in {}", parameter.name,
                 parameter.initializer.fan_in);
      const double deviation = std::sqrt(2.0 / static_cast<double>(parameter.initializer.fan_in));
      const std::uint64_t stream = stream_of(parameter.name);
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        tensor.set(i, deviation * random_normal(seed, stream, static_cast<std::uint64_t>(i)));
      }
      return tensor;
    }
  }
  CNNC_CHECK(false, "{} has an unknown initializer", parameter.name);
}

}  // namespace cnnc
