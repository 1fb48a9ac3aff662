// log_softmax(x): x - max - log(sum(exp(x - max))) along the last axis. An op of its own because
// that order of operations neither overflows nor loses the small probabilities; softmax is its exp.
#include <cmath>
#include <limits>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

Computation compute(const OpContext& context) {
  const ScalarType type = context.operands[0].scalar;
  const Dims& dims = context.operands[0].dims;
  const Dims rows(dims.begin(), dims.end() - 1);
  const auto element = [&](std::span<const Axis> row, const Axis& column) {
    std::vector<Expr> index = indices_of(row);
    index.emplace_back(column.var);
    return load(0, type, std::move(index));
  };
  const BufferId largest = 1, sum = 2;
  Computation result;

  std::vector<Axis> row = axes_of(rows);
  Axis column = make_axis("c", dims.back());
  result.stages.push_back({"largest", type, row, {column}, Reduction::max, element(row, column)});

  row = axes_of(rows);
  column = make_axis("c", dims.back());
  result.stages.push_back(
      {"sum",
       type,
       row,
       {column},
       Reduction::add,
       unary(UnaryOp::exp, element(row, column) - load(largest, type, indices_of(row)))});

  row = axes_of(rows);
  column = make_axis("c", dims.back());
  const Expr shifted = element(row, column) - load(largest, type, indices_of(row));
  std::vector<Axis> axes = row;
  axes.push_back(column);
  result.stages.push_back({"log_softmax",
                           type,
                           axes,
                           {},
                           Reduction::add,
                           shifted - unary(UnaryOp::log, load(sum, type, indices_of(row)))});
  result.results = {{false, 2}};
  return result;
}

/// dx = dy - softmax * (sum of dy)
std::vector<std::optional<Value>> gradient(Builder& builder, const Node&,
                                           std::span<const Value> results,
                                           std::span<const std::optional<Value>> gradients) {
  const Value dy = *gradients[0];
  Dims dims = builder.type(dy).dims;
  const Value sum = builder.reduce_sum(dy, {static_cast<std::int64_t>(dims.size()) - 1});
  dims.back() = 1;
  return {
      builder.sub(dy, builder.mul(builder.op("exp", {results[0]}), builder.reshape(sum, dims)))};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes&) {
  const std::vector<double> x = to_doubles(operands[0]);
  std::vector<double> y(x.size());
  const auto columns = static_cast<std::size_t>(results[0].dims.back());
  for (std::size_t begin = 0; begin < x.size(); begin += columns) {
    long double largest = -std::numeric_limits<long double>::infinity(), sum = 0;
    for (std::size_t i = begin; i < begin + columns; ++i)
      largest = std::fmax(largest, static_cast<long double>(x[i]));
    for (std::size_t i = begin; i < begin + columns; ++i) sum += std::exp(x[i] - largest);
    for (std::size_t i = begin; i < begin + columns; ++i)
      y[i] = static_cast<double>(x[i] - largest - std::log(sum));
  }
  return {to_tensor(results[0], y)};
}

}  // namespace

OpDef log_softmax_op() {
  OpDef op;
  op.name = "log_softmax";
  op.description = "logarithm of the softmax along the last axis";
  op.notes = "x - max - log(sum(exp(x - max))): exact where exp would overflow or vanish.";
  op.carries_size = true;
  op.type_rule = [](const OpContext& context) {
    expect_operands("log_softmax", context, 1);
    expect_float("log_softmax", context, 0);
    if (context.operands[0].dims.size() < 2)
      fail("{}: the operand must have 2 or more dimensions",
           describe("log_softmax", context.operands));
    return std::vector<TensorType>{context.operands[0]};
  };
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.samples = {{"ten_classes", {{ScalarType::f32, {kBatch, 10}}}, {}, {}},
                {"one_class", {{ScalarType::f32, {kBatch, 1}}}, {}, {}},
                {"far_apart", {{ScalarType::f32, {kBatch, 5}}}, {}, {{-300, 300}}},
                {"per_pixel", {{ScalarType::f32, {kBatch, 2, 3, 17}}}, {}, {{-5, 5}}}};
  return op;
}

}  // namespace cnnc
