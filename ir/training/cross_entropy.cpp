// cross_entropy: the mean over the call's rows of -log(prediction[label]), for predictions that are
// probabilities (softmax).
#include <algorithm>
#include <iterator>
#include <string_view>

#include "ir/layer.h"
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

/// Whether the values are sums or the like, of any size and sign, so that their logarithm would be
/// nothing but NaN sooner or later. Not exhaustive: ops that are not listed may well make shares
/// of 1.
bool is_unbounded(const Graph& graph, Value value) {
  constexpr std::string_view kUnbounded[] = {"add", "sub", "matmul", "conv2d", "relu", "relu6"};
  while (graph.node(value).op->name == "reshape") value = graph.node(value).operands.at(0);
  return std::ranges::find(kUnbounded, graph.node(value).op->name) != std::end(kUnbounded);
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

}  // namespace

LossDef cross_entropy_loss() {
  return {"cross_entropy", "mean of -log(probability of the label)", {}, build};
}

}  // namespace cnnc
