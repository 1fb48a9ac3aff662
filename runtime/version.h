#pragma once

#include <string_view>

namespace cnnc {

inline constexpr std::string_view kVersion = CNNC_VERSION;   // of CMakeLists.txt

}  // namespace cnnc
