// How good a model is: its accuracy on labelled images.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/dataset.h"
#include "runtime/session.h"

namespace cnnc {

struct Evaluation {
  std::int64_t correct = 0, count = 0;

  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(count); }
};

/// Thrown where a model yields NaN or infinity for an image: its weights are of no use.
class OutputNotFinite : public Error {
 public:
  using Error::Error;
};
/// Throws OutputNotFinite, naming `image`, where one of its `outputs` is not finite.
void require_finite(std::span<const double> outputs, std::string_view image);

/// An image counts as correct where the model's greatest output (the first of equals) is its
/// label's. Throws Error where the data do not fit the model or are none, and OutputNotFinite.
Evaluation evaluate(Session& session, const Dataset& data);

/// `test accuracy 98.12 % (9812 of 10000)`
std::string to_string(const Evaluation& evaluation);

}  // namespace cnnc
