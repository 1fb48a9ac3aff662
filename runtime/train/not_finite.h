// Numbers that have become useless.
#pragma once

#include <span>
#include <string_view>

#include "ir/base/diagnostic.h"

namespace cnnc {

/// Thrown where a loss, weights or what a model yields are NaN or infinite.
class NotFinite : public Error {
 public:
  using Error::Error;
};

/// Throws NotFinite, naming `image`, where one of a model's `outputs` for it is not finite.
void require_finite(std::span<const double> outputs, std::string_view image);

}  // namespace cnnc
