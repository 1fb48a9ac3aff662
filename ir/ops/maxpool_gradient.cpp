// maxpool_gradient(dy, argmax) -> dx[n,h,w,c], h, w and c from the attribute `input`: each window's
// gradient goes to its arg-max. A gather: an element adds up the windows that chose it.
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"
#include "ir/ops/pooling.h"

namespace cnnc {
namespace {

constexpr auto kName = "maxpool_gradient";

Computation compute(const OpContext& context) {
  const ScalarType type = context.operands[0].scalar, place_type = context.operands[1].scalar;
  const Pooling pooling = make_pooling_gradient(kName, context.attributes, context.operands[0]);
  return single_stage(gather_from_windows(pooling, type, [&](std::vector<Expr> output, Expr place) {
    const Expr chosen = equal(load(1, place_type, output), cast(place_type, place));
    return select(chosen, load(0, type, output), constant(type, 0));
  }));
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  const Pooling pooling = make_pooling_gradient(kName, attributes, operands[0].type());
  const std::vector<double> dy = to_doubles(operands[0]), argmax = to_doubles(operands[1]);
  std::vector<double> dx(static_cast<std::size_t>(element_count(results[0].dims, 1)));
  for_each_window_element(pooling, [&](std::size_t i, std::size_t o, std::int64_t place) {
    if (argmax[o] == static_cast<double>(place)) dx[i] += dy[o];
  });
  return {to_tensor(results[0], dx)};
}

std::vector<Sample> samples() {
  std::vector<Sample> result = pooling_gradient_samples();
  for (Sample& sample : result) {
    const Pooling pooling = make_pooling_gradient(kName, sample.attributes, sample.operands[0]);
    sample.operands.push_back({pooling.place_type(), pooling.output});
    sample.ranges = {Range{}, Range{0, static_cast<double>(pooling.area() - 1)}};
  }
  return result;
}

}  // namespace

OpDef maxpool_gradient_op() {
  OpDef op;
  op.name = kName;
  op.description =
      "gradient of maxpool with respect to x, from the value's gradient and the arg-max";
  op.attributes = {"size", "stride", "pad", "input"};
  op.type_rule = [](const OpContext& context) {
    expect_operands(kName, context, 2);
    const Pooling pooling = make_pooling_gradient(kName, context.attributes, context.operands[0]);
    const TensorType expected{pooling.place_type(), pooling.output};
    if (context.operands[1] != expected)
      fail("{}: the arg-max is {}, not {}", kName, to_string(context.operands[1]),
           to_string(expected));
    return std::vector<TensorType>{{context.operands[0].scalar, pooling.input}};
  };
  op.compute = compute;
  op.reference = reference;
  op.samples = samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
