// How good a model is: its accuracy on labelled images.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/io/dataset.h"
#include "runtime/train/session.h"

namespace cnnc {

struct Evaluation {
  std::int64_t correct = 0, count = 0;
  std::int64_t not_finite = 0;  // images for which the model yields a NaN or an infinity

  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(count); }
};

/// An image counts as correct where the model's greatest output (the first of equals) is its
/// label's and all are finite. Throws Error where the data do not fit the model or are none.
Evaluation evaluate(Session& session, const Dataset& data);

/// Throws NotFinite, with the number of images, where outputs were not finite.
void require_finite(const Evaluation& evaluation);

/// `test accuracy 98.12 % (9812 of 10000)`
std::string to_string(const Evaluation& evaluation);

}  // namespace cnnc
