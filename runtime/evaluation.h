// How good a model is: its accuracy on labelled images.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/dataset.h"
#include "runtime/session.h"

namespace cnnc {

struct Evaluation {
  std::int64_t correct = 0, count = 0;

  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(count); }
};

/// An image counts as correct where the model's greatest output (the first of equals) is its
/// label's. Throws Error where the data do not fit the model.
Evaluation evaluate(Session& session, const Dataset& data);

/// `test accuracy 98.12 % (9812 of 10000)`
std::string to_string(const Evaluation& evaluation);

}  // namespace cnnc
