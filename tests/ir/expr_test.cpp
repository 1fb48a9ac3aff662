#include "ir/expr/expr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/base/diagnostic.h"
#include "ir/expr/arithmetic.h"

namespace cnnc {
namespace {

const Var x = make_var("x");
const Var y = make_var("y");
const Expr X = x;
const Expr Y = y;

TEST(Expr, integer_constants_fold_in_their_own_width) {
  EXPECT_EQ((Expr(2) + Expr(3)).constant(), 5);
  EXPECT_EQ(
      (integer_constant(ScalarType::u8, 250) + integer_constant(ScalarType::u8, 10)).constant(), 4);
  EXPECT_EQ(
      (integer_constant(ScalarType::i8, -128) / integer_constant(ScalarType::i8, -1)).constant(),
      -128);
  EXPECT_EQ(
      (integer_constant(ScalarType::u32, 3) - integer_constant(ScalarType::u32, 4)).constant(),
      4294967295);
  EXPECT_EQ((Expr(-7) / Expr(2)).constant(), -3);
  EXPECT_EQ((Expr(-7) % Expr(2)).constant(), -1);
  EXPECT_EQ(binary(BinaryOp::shift_right, integer_constant(ScalarType::i32, -8),
                   integer_constant(ScalarType::i32, 1))
                .constant(),
            -4);
  const auto lowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ((Expr(lowest) - Expr(1)).constant(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((-Expr(lowest)).constant(), lowest);
  EXPECT_EQ((Expr(lowest) / Expr(-1)).constant(), lowest);
}

TEST(Expr, comparisons_and_choices_of_constants_fold) {
  EXPECT_EQ(min(Expr(3), Expr(-2)).constant(), -2);
  EXPECT_EQ(max(Expr(3), Expr(-2)).constant(), 3);
  EXPECT_EQ((Expr(3) < Expr(4)).constant(), 1);
  EXPECT_EQ((Expr(3) < Expr(4)).type(), ScalarType::boolean);
  EXPECT_TRUE(same(select(Expr(4) <= Expr(3), X, Y), Y));
  EXPECT_TRUE(same(select(X < Y, X, X), X));
  EXPECT_EQ(unary(UnaryOp::logical_not, Expr(1) < Expr(0)).constant(), 1);
}

TEST(Expr, neutral_operands_vanish_and_offsets_gather) {
  EXPECT_TRUE(same(X + 0, X));
  EXPECT_TRUE(same(Expr(0) + X, X));
  EXPECT_TRUE(same(X - 0, X));
  EXPECT_TRUE(same(X * 1, X));
  EXPECT_EQ((X * 0).constant(), 0);
  EXPECT_TRUE(same(X / 1, X));
  EXPECT_EQ((X % 1).constant(), 0);
  EXPECT_EQ((X - X).constant(), 0);
  EXPECT_TRUE(same((X + 2) + 3, X + 5));
  EXPECT_TRUE(same((X + 2) - 2, X));
  EXPECT_TRUE(same((X * 2) * 3, Expr(6) * X));
  EXPECT_TRUE(same((X < Y) & (Expr(0) < Expr(1)), X < Y));
}

TEST(Expr, a_division_by_zero_is_left_to_the_run) {
  EXPECT_FALSE((Expr(1) / Expr(0)).constant());
  EXPECT_FALSE((Expr(1) % Expr(0)).constant());
}

TEST(Expr, floats_are_never_folded_but_for_casts_of_integers_and_signs) {
  const auto one = constant(ScalarType::f32, 1);
  const auto zero = constant(ScalarType::f32, 0);
  const auto value = Expr(make_var("v", ScalarType::f32));
  EXPECT_NE((one + one).as<Binary>(), nullptr);
  EXPECT_NE((value * one).as<Binary>(), nullptr);
  EXPECT_NE((value * zero).as<Binary>(), nullptr);
  EXPECT_NE(min(one, zero).as<Binary>(), nullptr);
  EXPECT_EQ(cast(ScalarType::f32, Expr(16777217)).as<Const>()->real, 16777216);
  EXPECT_TRUE(std::signbit((-zero).as<Const>()->real));
  EXPECT_EQ(constant(ScalarType::f32, 0.1).as<Const>()->real, static_cast<double>(0.1F));
}

TEST(Expr, substitution_folds_and_keeps_nodes_that_do_not_change) {
  const Expr sum = (X * 4 + Y) * 2;
  EXPECT_EQ(substitute(sum, {{x, Expr(3)}, {y, Expr(1)}}).constant(), 26);
  EXPECT_EQ(&substitute(sum, {{make_var("z"), Expr(3)}}).node(), &sum.node());
  const Expr indexed = load(0, ScalarType::f32, {X, Y, X + Y});
  EXPECT_TRUE(same(substitute(indexed, {{y, X}}), load(0, ScalarType::f32, {X, X, X + X})));
}

TEST(Expr, transform_sees_children_first) {
  const auto doubled = transform(X + Y, [](const Expr& e) { return e.as<Var>() ? e * 2 : Expr(); });
  EXPECT_TRUE(same(doubled, X * 2 + Y * 2));
}

TEST(Expr, sameness_follows_a_renaming) {
  const Var z = make_var("z");
  EXPECT_FALSE(same(X + Y, Expr(z) + Y));
  EXPECT_TRUE(same(X + Y, Expr(z) + Y, {{x, z}}));
  EXPECT_FALSE(same(X + X, Expr(z) + X, {{x, z}}));
  EXPECT_FALSE(same(X + Y, X - Y));
  EXPECT_FALSE(same(constant(ScalarType::f32, 0.0), constant(ScalarType::f32, -0.0)));
  EXPECT_FALSE(same(Expr(0), integer_constant(ScalarType::i32, 0)));
}

TEST(Expr, strides_are_found_by_form) {
  EXPECT_EQ(stride_in(X, x), 1);
  EXPECT_EQ(stride_in(Y, x), 0);
  EXPECT_EQ(stride_in((X + 3) * 4 - Y * Y - X, x), 3);
  EXPECT_EQ(stride_in(-X, x), -1);
  EXPECT_EQ(stride_in(Y / 2, x), 0);
  EXPECT_EQ(stride_in(X / 2, x), std::nullopt);
  EXPECT_EQ(stride_in(X * Y, x), std::nullopt);
  EXPECT_EQ(stride_in(load(0, ScalarType::i64, {X}), x), std::nullopt);
}

TEST(Expr, mixed_types_are_a_defect) {
  EXPECT_THROW(X + constant(ScalarType::f32, 1), InternalError);
  EXPECT_THROW(unary(UnaryOp::exp, X), InternalError);
  EXPECT_THROW(select(X, X, Y), InternalError);
  EXPECT_THROW(bit_cast_expr(ScalarType::f32, X), InternalError);
}

// fold against the machine's own arithmetic in each width.
template <class T>
void check_fold(ScalarType type) {
  const std::int64_t low = std::numeric_limits<T>::min();
  const std::int64_t high = static_cast<std::int64_t>(std::numeric_limits<T>::max());
  for (const auto a :
       {low, low + 1, std::int64_t{0}, std::int64_t{1}, std::int64_t{7}, high - 1, high}) {
    for (const auto b : {low, std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, high}) {
      const auto narrow = [](std::uint64_t v) {
        return static_cast<std::int64_t>(static_cast<T>(v));
      };
      const auto ua = static_cast<std::uint64_t>(a);
      const auto ub = static_cast<std::uint64_t>(b);
      EXPECT_EQ(fold(BinaryOp::add, type, a, b), narrow(ua + ub));
      EXPECT_EQ(fold(BinaryOp::sub, type, a, b), narrow(ua - ub));
      EXPECT_EQ(fold(BinaryOp::mul, type, a, b), narrow(ua * ub));
      EXPECT_EQ(fold(BinaryOp::bit_xor, type, a, b), narrow(ua ^ ub));
      EXPECT_EQ(fold(BinaryOp::div, type, a, b).has_value(), b != 0);
    }
  }
}

TEST(Arithmetic, wraps_in_every_width) {
  check_fold<std::int8_t>(ScalarType::i8);
  check_fold<std::uint8_t>(ScalarType::u8);
  check_fold<std::int32_t>(ScalarType::i32);
  check_fold<std::uint32_t>(ScalarType::u32);
  check_fold<std::int64_t>(ScalarType::i64);
}

}  // namespace
}  // namespace cnnc
