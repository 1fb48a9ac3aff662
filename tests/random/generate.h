// Makes random networks out of the tables of the language: a layer is used because it has a row.
#pragma once

#include "tests/random/network.h"

namespace cnnc::testing {

/// What the numbers of a trial are: small whole ones, reals, or reals among which NaN, infinities,
/// zeros of either sign and denormals are frequent.
enum class Lane : std::uint8_t { whole, real, special };
std::string_view name_of(Lane lane);

/// A network that `language` accepts, a function of the seed. In the lane of whole numbers it
/// consists of ops that are exact on them. At most about `work` multiply-adds a forward pass over
/// the batch.
Network generate(std::uint64_t seed, Lane lane, const Language& language);

}  // namespace cnnc::testing
