// Numbers that have become useless.
#pragma once

#include "ir/diagnostic.h"

namespace cnnc {

/// Thrown where a loss, weights or what a model yields are NaN or infinite.
class NotFinite : public Error {
 public:
  using Error::Error;
};

}  // namespace cnnc
