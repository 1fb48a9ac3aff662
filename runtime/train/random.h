// Random numbers without a state: a number is a function of what it is for, so nothing needs to be
// saved to resume.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/base/tensor.h"
#include "ir/language/layer.h"

namespace cnnc {

/// 64 random bits for number `index` of `stream` under `seed`: the finaliser of splitmix64 (Steele,
/// Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014) applied once for each part of
/// the key.
std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);
/// Uniform in [0, 1), a multiple of 2^-53.
double random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);
/// Standard normal, by the method of Box and Muller; last bits may depend on the C library's log
/// and cos.
double random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);
/// A stream for a name (FNV-1a).
std::uint64_t stream_of(std::string_view name);

/// A permutation of 0 .. count, keyed by (seed, epoch).
std::vector<std::int64_t> shuffled_order(std::int64_t count, std::uint64_t seed,
                                         std::uint64_t epoch);

/// The starting value of a parameter or state, keyed by (seed, its name): adding a layer changes no
/// other's. f32 is f64's value, rounded.
Tensor initialize(const Parameter& parameter, std::uint64_t seed);

}  // namespace cnnc
