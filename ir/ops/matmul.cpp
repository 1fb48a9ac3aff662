// matmul(a[m,k], b[k,n]) -> [m,n]; with transpose_a a is [k,m], with transpose_b b is [n,k]. The
// batch may be m, or, where a is transposed, k. The innermost axis of the sum's output is
// contiguous in the operand that it reads: a transposed b is turned first.
#include <Eigen/Core>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

struct Sizes {
  std::int64_t m, k, n;
  bool transpose_a, transpose_b;
};

Sizes sizes(const OpContext& context) {
  const auto& a = context.operands[0].dims;
  const auto& b = context.operands[1].dims;
  Sizes s{a[0], a[1], b[1], context.attributes.boolean("transpose_a"),
          context.attributes.boolean("transpose_b")};
  if (s.transpose_a) std::swap(s.m, s.k);
  if (s.transpose_b) s.n = b[0];
  return s;
}

std::vector<TensorType> type_rule(const OpContext& context) {
  expect_operands("matmul", context, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    expect_float("matmul", context, i);
    expect_rank("matmul", context, i, 2);
  }
  const TensorType &a = context.operands[0], &b = context.operands[1];
  const Sizes s = sizes(context);
  if (a.scalar != b.scalar || s.k != b.dims[s.transpose_b ? 1 : 0]) {
    fail("{}: {} of {} and {} of {} do not fit", describe("matmul", context.operands),
         s.transpose_a ? "rows" : "columns", to_string(a), s.transpose_b ? "columns" : "rows",
         to_string(b));
  }
  if (s.n == kBatch)
    fail("{}: the result would have the batch last", describe("matmul", context.operands));
  return {{a.scalar, {s.m, s.n}}};
}

Computation compute(const OpContext& context) {
  const Sizes s = sizes(context);
  const ScalarType type = context.operands[0].scalar;
  Computation result;
  BufferId right = 1;
  if (s.transpose_b) {
    const Axis k = make_axis("k", s.k), n = make_axis("n", s.n);
    result.stages.push_back(
        {"transposed", type, {k, n}, {}, Reduction::add, load(1, type, {n.var, k.var})});
    right = 2;
  }
  const Axis m = make_axis("m", s.m), n = make_axis("n", s.n), k = make_axis("k", s.k);
  const Expr left = s.transpose_a ? load(0, type, {k.var, m.var}) : load(0, type, {m.var, k.var});
  result.results = {{false, static_cast<int>(result.stages.size())}};
  result.stages.push_back(
      {"product", type, {m, n}, {k}, Reduction::add, left * load(right, type, {k.var, n.var})});
  return result;
}

std::vector<std::optional<Value>> gradient(Builder& builder, const Node& node,
                                           std::span<const Value>,
                                           std::span<const std::optional<Value>> gradients) {
  const Value a = node.operands[0], b = node.operands[1], g = *gradients[0];
  const bool ta = node.attributes.boolean("transpose_a"),
             tb = node.attributes.boolean("transpose_b");
  const auto matmul = [&](Value x, Value y, bool transpose_x, bool transpose_y) {
    return builder.op("matmul", {x, y},
                      {{"transpose_a", transpose_x}, {"transpose_b", transpose_y}});
  };
  return {ta ? matmul(b, g, tb, true) : matmul(g, b, false, !tb),
          tb ? matmul(g, a, true, ta) : matmul(a, g, !ta, false)};
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto matrix = [](const Tensor& tensor, bool transpose) -> Matrix {
    const std::vector<double> values = to_doubles(tensor);
    const Matrix m = Eigen::Map<const Matrix>(values.data(), tensor.dims()[0], tensor.dims()[1]);
    return transpose ? Matrix(m.transpose()) : m;
  };
  const Matrix product = matrix(operands[0], attributes.boolean("transpose_a")) *
                         matrix(operands[1], attributes.boolean("transpose_b"));
  return {to_tensor(results[0], {product.data(), product.data() + product.size()})};
}

std::vector<Sample> samples() {
  std::vector<Sample> result;
  const auto add = [&](std::string name, Dims a, Dims b, bool ta, bool tb) {
    result.push_back({std::move(name),
                      {{ScalarType::f32, std::move(a)}, {ScalarType::f32, std::move(b)}},
                      {{"transpose_a", ta}, {"transpose_b", tb}},
                      {}});
  };
  add("dense", {kBatch, 7}, {7, 10}, false, false);
  add("one_by_one", {1, 1}, {1, 1}, false, false);
  add("wide", {kBatch, 3}, {3, 37}, false, false);
  add("column", {5, 9}, {9, 1}, false, false);
  add("transposed_right", {kBatch, 9}, {6, 9}, false, true);
  add("over_the_batch", {kBatch, 5}, {kBatch, 17}, true, false);
  add("transposed_left", {4, 3}, {4, 5}, true, false);
  add("both_transposed", {4, 3}, {5, 4}, true, true);
  return result;
}

}  // namespace

OpDef matmul_op() {
  OpDef op;
  op.name = "matmul";
  op.description =
      "matrix product of a and b, each of them transposed first where its attribute says so";
  op.attributes = {"transpose_a", "transpose_b"};
  op.carries_size = true;
  op.type_rule = type_rule;
  op.gradient = gradient;
  op.compute = compute;
  op.reference = reference;
  op.flops = [](const OpContext& context) {
    const Sizes s = sizes(context);
    const auto rows = [](std::int64_t size) { return size == kBatch ? 1 : size; };
    return 2 * rows(s.m) * rows(s.k) * s.n;
  };
  op.samples = samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
