// What the graph builder promises.
#include <gtest/gtest.h>

#include "ir/graph/graph.h"

namespace cnnc {
namespace {

Builder make_builder(std::int64_t batch = 4) { return {OpTable::standard(), "g", batch}; }

TensorType f32(Dims dims) { return {ScalarType::f32, std::move(dims)}; }

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(builder, makes_equal_nodes_once) {
  Builder builder = make_builder();
  const Value x = builder.input("x", "data", f32({kBatch, 3}));
  const Value y = builder.input("y", "data", f32({kBatch, 3}));
  builder.set_label("a");
  const Value sum = builder.add(x, y);
  builder.set_label("b");
  EXPECT_EQ(builder.add(x, y), sum);
  EXPECT_NE(builder.add(y, x), sum);
  EXPECT_NE(builder.sub(x, y), sum);
  EXPECT_NE(builder.reduce_sum(x, {0}), builder.reduce_sum(x, {1}));
  EXPECT_EQ(builder.graph().node(sum).label, "a");
  EXPECT_NE(builder.constant(ScalarType::f32, 0.0), builder.constant(ScalarType::f32, -0.0));
  EXPECT_NE(builder.constant(ScalarType::f32, 1), builder.constant(ScalarType::f64, 1));
  EXPECT_EQ(builder.count(ScalarType::f32), builder.count(ScalarType::f32));
}

TEST(builder, gives_every_random_op_its_own_use) {
  Builder builder = make_builder();
  EXPECT_NE(builder.next_use(), builder.next_use());
  OpTable ops = OpTable::standard();
  OpDef noise = *ops.find("neg");
  noise.name = "noise";
  noise.attributes = {"use"};
  ops.add(noise);
  Builder copied(ops, "g", 4);
  copied.op("noise", {copied.input("x", "data", f32({}))}, {{"use", std::int64_t{7}}});
  EXPECT_GT(copied.next_use(), 7);
}

TEST(builder, derives_types_and_passes_errors_on) {
  Builder builder = make_builder();
  const Value x = builder.input("x", "data", f32({kBatch, 3, 5}));
  const Value bias = builder.input("bias", "parameter", f32({5}));
  const Value wrong = builder.input("wrong", "parameter", f32({4}));
  const Value label = builder.input("label", "data", {ScalarType::i32, {kBatch}});
  EXPECT_EQ(builder.type(builder.add(x, bias)), f32({kBatch, 3, 5}));
  EXPECT_EQ(builder.type(builder.op("equal", {label, label})),
            (TensorType{ScalarType::boolean, {kBatch}}));
  EXPECT_EQ(error_of([&] { builder.add(x, wrong); }),
            "add(f32[B,3,5], f32[4]): shapes do not broadcast");
  EXPECT_EQ(error_of([&] { builder.add(x, label); }),
            "add(f32[B,3,5], i32[B]): operands must be numbers of one type");
  EXPECT_EQ(error_of([&] { builder.add_node(builder.ops().find("add"), {x}); }),
            "add takes 2 operands, not 1");
  EXPECT_EQ(error_of([&] {
              builder.op("exp", {x}, {{"axis", std::int64_t{1}}});
            }),
            "exp has no attribute 'axis'");
  EXPECT_EQ(error_of([&] {
              builder.op("reduce_sum", {x}, {{"axis", Dims{1}}});
            }),
            "reduce_sum needs the attribute 'axes'");
  EXPECT_EQ(error_of([&] {
              builder.op("reduce_sum", {x}, {{"axes", 1.5}});
            }),
            "attribute 'axes' of reduce_sum must be a list of whole numbers, not 1.5");
}

TEST(builder, refuses_tensors_beyond_the_limit) {
  Builder builder = make_builder(1 << 20);
  const auto input = [&](Dims dims) {
    return error_of([&] { builder.input("x", "data", f32(std::move(dims))); });
  };
  EXPECT_EQ(input({kBatch, 1024}), "no error");  // 2^30 elements
  EXPECT_NE(input({kBatch, 1025}), "no error");
  EXPECT_NE(input({std::int64_t{1} << 62, 4}), "no error");
  EXPECT_NE(input({kBatch, 0}), "no error");
  EXPECT_NE(input({3, kBatch}), "no error");
  EXPECT_NE(error_of([] { make_builder(0); }), "no error");
}

TEST(builder, sum_to_inverts_broadcasting) {
  Builder builder = make_builder();
  const Value x = builder.input("x", "data", f32({kBatch, 3, 1, 5}));
  const std::vector<Dims> targets = {{5},      {1, 5},    {3, 1, 5},         {1, 1, 1, 5},
                                     {},       {1, 1, 1}, {kBatch, 1, 1, 1}, {kBatch, 3, 1, 5},
                                     {3, 1, 1}};
  for (const Dims& dims : targets) {
    EXPECT_EQ(builder.type(builder.sum_to(x, dims)).dims, dims) << to_string(dims);
  }
  EXPECT_EQ(builder.sum_to(x, {kBatch, 3, 1, 5}), x);
}

TEST(builder, emit_makes_the_nodes_of_an_expression_and_shares_them) {
  Builder builder = make_builder();
  const Value x = builder.input("x", "data", f32({kBatch, 3}));
  const Value y = builder.input("y", "data", f32({3}));
  const Expr a = load(0, ScalarType::f32, {}), b = load(1, ScalarType::f32, {});
  const Expr product = a * b;
  const Expr expr = select(a < b, unary(UnaryOp::tanh, product), fma(product, product, a)) +
                    cast(ScalarType::f32, cast(ScalarType::i32, min(a, -b)));
  const std::vector<Value> arguments = {x, y};
  const Value value = builder.emit(expr, arguments);
  EXPECT_EQ(builder.type(value), f32({kBatch, 3}));
  EXPECT_EQ(builder.emit(expr, arguments), value);
  builder.output("z", value);
  int products = 0;
  for (const Node& node : builder.graph().nodes) products += node.op->name == "mul" ? 1 : 0;
  EXPECT_EQ(products, 2);  // a * b, and its square

  const Graph graph = std::move(builder).build();
  std::map<std::string, Tensor> inputs;
  inputs.emplace("x", Tensor(f32({1, 3})));
  inputs.emplace("y", Tensor(f32({3})));
  for (int i = 0; i < 3; ++i) {
    inputs.at("x").set(i, 2);
    inputs.at("y").set(i, i + 1);  // 1, 2, 3
  }
  const Tensor z = interpret(graph, inputs, 1).at("z");
  EXPECT_EQ(z.get(0), 2 * 2 + 2 - 1);
  EXPECT_EQ(z.get(1), 4 * 4 + 2 - 2);
  EXPECT_NEAR(z.get(2), 1.0 - 3, 1e-4);  // tanh(6) is nearly 1
}

TEST(builder, every_operator_that_a_derivative_may_hold_has_an_op) {
  const Expr a = load(0, ScalarType::f64, {}), b = load(1, ScalarType::f64, {});
  std::vector<Expr> exprs = {a + b,
                             a - b,
                             a * b,
                             a / b,
                             min(a, b),
                             max(a, b),
                             fma(a, b, a),
                             -a,
                             select(a < b, a, b),
                             cast(ScalarType::f32, a)};
  for (const auto op :
       {UnaryOp::abs, UnaryOp::sqrt, UnaryOp::floor, UnaryOp::exp, UnaryOp::log, UnaryOp::tanh}) {
    exprs.push_back(unary(op, a));
  }
  Builder builder = make_builder();
  const TensorType type{ScalarType::f64, {}};
  const std::vector<Value> arguments = {builder.input("a", "data", type),
                                        builder.input("b", "data", type)};
  for (const Expr& expr : exprs) {
    for (const BufferId argument : {0, 1}) {
      EXPECT_NO_THROW(builder.emit(differentiate(expr, argument), arguments));
    }
  }
}

TEST(differentiate_expr, knows_zero_and_one_by_their_form) {
  const Expr a = load(0, ScalarType::f32, {}), b = load(1, ScalarType::f32, {});
  const auto value = [](const Expr& expr) {
    const Const* c = expr.as<Const>();
    return c == nullptr ? -99 : c->real;
  };
  EXPECT_EQ(value(differentiate(a + b, 0)), 1);
  EXPECT_EQ(value(differentiate(b * b, 0)), 0);
  EXPECT_TRUE(same(differentiate(a * b, 0), b));
  EXPECT_EQ(value(differentiate(unary(UnaryOp::floor, a), 0)), 0);
  EXPECT_TRUE(same(differentiate(b - a, 0), -constant(ScalarType::f32, 1)));
}

}  // namespace
}  // namespace cnnc
