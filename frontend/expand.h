// Resolved text -> layers in order: blocks expanded, arguments evaluated, shapes checked.
#pragma once

#include <optional>
#include <vector>

#include "frontend/model.h"
#include "frontend/resolve.h"

namespace cnnc::frontend {

/// The layers of a model and the graph that checked them.
struct Expansion {
  std::vector<LayerUse> layers;
  Dims input;
  int output = -1;
  std::optional<Value> value;  // of the output; nothing where a mistake was reported
  Builder builder;
};

/// `batch` is the one that the train section states, or 1.
Expansion expand(const Resolved& resolved, const Language& language, std::int64_t batch,
                 Mistakes& mistakes);

/// What a model adds up to.
class Totals {
 public:
  /// The complaint of the layer that first passes a limit, otherwise empty. Each number is at most
  /// a few kMaxElements.
  std::string add(std::int64_t parameters, std::int64_t activations);

 private:
  std::int64_t parameters_ = 0;
  std::int64_t activations_ = 0;
};

/// The argument of `input(28x28x1)`. Nothing where a mistake was reported.
std::optional<Dims> check_input_size(const Expression& expression, Mistakes& mistakes);

/// The train section's settings. Missing and wrong ones are reported.
TrainSettings check_train(const TrainSyntax& train, const Language& language, Mistakes& mistakes);

/// Builds the loss on the model's output, and so reports an output that it cannot work with.
void check_loss(const TrainSyntax& train, const TrainSettings& settings, const Language& language,
                Expansion& expansion, Mistakes& mistakes);

/// An Error of a layer's or a loss's build, as a message that begins with its name.
std::string build_message(std::string_view name, const Error& error);

/// image u8[B,h,w,c] as `real`, divided by 255.
Value build_image(Builder& builder, const Dims& input, ScalarType real);

}  // namespace cnnc::frontend
