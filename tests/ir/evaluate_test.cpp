#include "ir/expr/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace cnnc {
namespace {

Scalar value_of(const Expr& expr, std::span<const MemoryView> memory = {}) {
  VariableSlots slots;
  CompiledExpr code(expr, slots);
  return code({}, memory);
}

Expr f32(double value) { return constant(ScalarType::f32, value); }
Expr f64(double value) { return constant(ScalarType::f64, value); }

TEST(Evaluate, every_f32_step_is_rounded_to_f32) {
  EXPECT_EQ(value_of(f32(0.1) + f32(0.2)).real, static_cast<double>(0.1F + 0.2F));
  EXPECT_EQ(value_of(f32(16777216) + f32(1) - f32(16777216)).real, 0);
  EXPECT_EQ(value_of(f64(16777216) + f64(1) - f64(16777216)).real, 1);
  EXPECT_EQ(value_of(cast(ScalarType::f32, f64(0.1))).real, static_cast<double>(0.1F));
}

TEST(Evaluate, fma_rounds_once) {
  const float a = 1 + 0x1p-12F;
  EXPECT_EQ(value_of(fma(f32(a), f32(a), f32(-1))).real, static_cast<double>(std::fma(a, a, -1.F)));
  EXPECT_NE(value_of(fma(f32(a), f32(a), f32(-1))).real, value_of(f32(a) * f32(a) + f32(-1)).real);
}

TEST(Evaluate, min_and_max_propagate_nan_and_comparisons_deny_it) {
  const auto nan = f32(std::numeric_limits<double>::quiet_NaN());
  for (const auto& expr : {min(nan, f32(1)), min(f32(1), nan), max(nan, f32(1)), max(f32(1), nan)})
    EXPECT_TRUE(std::isnan(value_of(expr).real));
  EXPECT_EQ(value_of(nan < f32(1)).integer, 0);
  EXPECT_EQ(value_of(equal(nan, nan)).integer, 0);
  EXPECT_EQ(value_of(binary(BinaryOp::not_equal, nan, nan)).integer, 1);
  EXPECT_FALSE(std::signbit(value_of(max(f32(-0.0), f32(0.0))).real));
}

TEST(Evaluate, casts_truncate_and_reinterpret) {
  EXPECT_EQ(value_of(cast(ScalarType::i32, f32(-1.75))).integer, -1);
  EXPECT_EQ(value_of(bit_cast_expr(ScalarType::i32, f32(1))).integer, 0x3F800000);
  EXPECT_EQ(
      value_of(bit_cast_expr(ScalarType::f64, bit_cast_expr(ScalarType::i64, f64(-2.5)))).real,
      -2.5);
  EXPECT_EQ(value_of(cast(ScalarType::u8, cast(ScalarType::i32, f32(300)))).integer, 44);
}

TEST(Evaluate, loads_are_checked) {
  Tensor tensor(TensorType{ScalarType::f32, {2, 3}});
  tensor.data<float>()[5] = 7;
  const std::vector<MemoryView> memory{view_of("t", tensor)};
  EXPECT_EQ(value_of(load(0, ScalarType::f32, {1, 2}), memory).real, 7);
  for (const auto& index : {std::vector<Expr>{2, 0}, {0, 3}, {-1, 0}, {1}}) {
    EXPECT_THROW(value_of(load(0, ScalarType::f32, index), memory), Error);
  }
  try {
    value_of(load(0, ScalarType::f32, {2, 0}), memory);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "t[2,0] is outside of t[2,3]");
  }
  EXPECT_THROW(value_of(load(1, ScalarType::f32, {}), memory), InternalError);
}

TEST(Evaluate, divisions_by_zero_and_wide_shifts_are_errors) {
  EXPECT_THROW(value_of(Expr(1) / Expr(0)), Error);
  const Var x = make_var("x", ScalarType::u32);
  VariableSlots slots;
  CompiledExpr code(binary(BinaryOp::shift_left, Expr(x), Expr(x)), slots);
  std::vector<Scalar> variables(slots.size());
  variables[0].integer = 31;
  EXPECT_EQ(code(variables, {}).integer, std::int64_t{1} << 31);
  variables[0].integer = 32;
  EXPECT_THROW(code(variables, {}), Error);
}

TEST(Evaluate, a_shared_node_is_computed_once) {
  // 2^60 additions as a tree.
  const Var x = make_var("x");
  Expr sum = x;
  for (int i = 0; i < 60; ++i) sum = sum + sum;
  VariableSlots slots;
  CompiledExpr code(sum, slots);
  std::vector<Scalar> variables(1);
  variables[0].integer = 3;
  EXPECT_EQ(code(variables, {}).integer, std::int64_t{3} << 60);
}

}  // namespace
}  // namespace cnnc
