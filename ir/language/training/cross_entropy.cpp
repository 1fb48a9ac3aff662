// cross_entropy: the mean over the call's rows of -log(prediction[label]), for predictions that are
// probabilities (softmax).
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "ir/graph/unbounded.h"
#include "ir/language/layer.h"
#include "ir/ops/window.h"

namespace cnnc {
namespace {

/// The class of the first greatest prediction of each row, i32[B]: a max pool over the row knows
/// it.
Value first_greatest(Builder& builder, Value prediction) {
  const Dims dims = builder.type(prediction).dims;
  const Dims row{1, dims[1]};
  const Value image = builder.reshape(prediction, {dims[0], 1, dims[1], 1});
  const Value place = builder.ops_of(
      "maxpool", {image}, {{"size", row}, {"stride", row}, {"pad", Dims{0, 0, 0, 0}}})[1];
  return builder.reshape(builder.cast(place, ScalarType::i32), {dims[0]});
}

/// The logarithm of the prediction. Of a softmax, which is an exp, what that is taken of: the exp
/// may have underflown, and the gradient through its logarithm would be 0 times infinity.
Value log_of(Builder& builder, Value prediction) {
  const Node& node = builder.graph().node(prediction);
  const Value operand = node.operands.empty() ? prediction : node.operands.front();
  if (node.op->name == "exp") return operand;
  if (node.op->name == "reshape")
    return builder.reshape(log_of(builder, operand), builder.type(prediction).dims);
  return builder.op("log", {prediction});
}

void build(Builder& builder, Value prediction, Value label, const Attributes&) {
  const TensorType type = builder.type(prediction);
  if (type.dims.size() != 2) {
    fail(
        "cross_entropy: needs one row of class probabilities a sample, not {}; end the model with "
        "flatten, dense and softmax",
        shape_text(type.dims));
  }
  // Their logarithm would be nothing but NaN sooner or later.
  if (is_unbounded(builder.graph(), prediction)) {
    fail("cross_entropy: needs class probabilities; end the model with softmax");
  }
  const Value hit = builder.op("one_hot", {label}, {{"classes", type.dims[1]}, {"type", "bool"}});
  const Value zero = builder.constant(type.scalar, 0);
  // Selected, not multiplied: log(0) of another class must not become NaN.
  const Value picked = builder.op("select", {hit, log_of(builder, prediction), zero});
  const Value sum = builder.reduce_sum(picked, {0, 1});
  builder.output("loss", builder.div(builder.op("neg", {sum}), builder.count(type.scalar)));

  const Value right = builder.op("equal", {first_greatest(builder, prediction), label});
  builder.output("correct", builder.reduce_sum(builder.cast(right, type.scalar), {0}));
}

double of_guessing(std::int64_t classes) { return std::log(static_cast<double>(classes)); }

}  // namespace

LossDef cross_entropy_loss() {
  LossDef loss;
  loss.name = "cross_entropy";
  loss.description = "mean of -log(probability of the label)";
  loss.notes =
      "The natural logarithm, the mean over the images of the step: a smaller last batch is "
      "divided by its own number. It needs probabilities and so softmax at the end of the "
      "model, and takes their logarithm as softmax makes them, without loss. Accuracy counts "
      "the images whose greatest output, the first of equal ones, is their label.";
  loss.build = build;
  loss.of_guessing = of_guessing;
  return loss;
}

}  // namespace cnnc
