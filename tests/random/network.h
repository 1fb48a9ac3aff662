// A network as the random tests make and shrink it; what is tested is its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "frontend/model.h"

namespace cnnc::testing {

inline constexpr int kBodyInput = -1;

/// A layer, or the use of a block, applied to values of the same body.
struct Step {
  std::string what;         // a layer's row, or a block's name
  Attributes arguments;     // those that are written
  std::vector<int> inputs;  // earlier steps of this body, or kBodyInput
};

/// A block of one parameter, which stands for one whole-number argument of one of its steps.
struct NetworkBlock {
  std::string name;
  std::vector<Step> steps;  // the last one is its result
  int parameter_step = -1;  // -1: the block has no parameter
  std::string parameter_argument;
};

struct Network {
  Dims input{1, 1, 1};
  std::vector<NetworkBlock> blocks;
  std::vector<Step> steps;  // the last one is the model's output
  Choice loss, optimizer;   // arguments: those that are written
  std::optional<Choice> schedule;
  std::int64_t batch = 1;
  std::uint64_t style = 0;  // how it is written: 0 plainly, otherwise as random choices have it
};

/// The model text. Every step must be used, but for a body's last one.
std::string text_of(const Network& network, const Language& language);

/// Without the steps and blocks that the output does not need.
Network pruned(const Network& network);

}  // namespace cnnc::testing
