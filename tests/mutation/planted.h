// Planted bugs: see tests/mutation/run. Only the copies of sources that tests/mutation/plant.py
// makes include this.
#pragma once

#include <cstdlib>
#include <string_view>

namespace cnnc {

/// Whether this process runs with the mutant of this name: the environment variable CNNC_MUTANT.
inline bool is_planted(std::string_view name) {
  static const char* const planted = std::getenv("CNNC_MUTANT");
  return planted != nullptr && name == planted;
}

}  // namespace cnnc

/// The same, asked once a place.
#define CNNC_PLANTED(name)                                     \
  ([]() -> bool {                                              \
    static const bool planted_here = ::cnnc::is_planted(name); \
    return planted_here;                                       \
  }())
