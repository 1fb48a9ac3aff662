// Between which values integer expressions stay.
#include "ir/loop/integer_range.h"

#include <gtest/gtest.h>

namespace cnnc {
namespace {

TEST(integer_range, a_cast_keeps_what_its_type_holds_and_forgets_the_rest) {
  const Program program;
  const Var i = make_var("i");
  RangeContext context{&program, 1, {{i, {0, 5}}}};
  const auto of = [&](const Expr& expr) { return range_of(expr, context); };
  EXPECT_EQ(of(cast(ScalarType::u8, Expr(i))), (IntegerRange{0, 5}));
  EXPECT_EQ(of(cast(ScalarType::i8, Expr(i) - 100)), (IntegerRange{-100, -95}));
  EXPECT_EQ(of(cast(ScalarType::i64, cast(ScalarType::u8, Expr(i) * 51))), (IntegerRange{0, 255}));
  EXPECT_EQ(of(cast(ScalarType::u8, Expr(i) - 1)), std::nullopt);
  EXPECT_EQ(of(cast(ScalarType::u8, Expr(i) * 52)), std::nullopt);
  EXPECT_EQ(of(cast(ScalarType::i8, Expr(i) + 123)), std::nullopt);
  EXPECT_EQ(of(cast(ScalarType::f32, Expr(i))), std::nullopt);
}

TEST(integer_range, sums_that_wrap_around_have_none) {
  const Program program;
  const Var a = make_var("a", ScalarType::u8), b = make_var("b", ScalarType::u8);
  const RangeContext context{&program, {}, {{a, {200, 250}}, {b, {5, 10}}}};
  const auto of = [&](const Expr& expr) { return range_of(expr, context); };
  EXPECT_EQ(of(Expr(a) - Expr(b)), (IntegerRange{190, 245}));
  EXPECT_EQ(of(Expr(a) + Expr(b)), std::nullopt);
  EXPECT_EQ(of(cast(ScalarType::i64, Expr(b) - Expr(a))), std::nullopt);
  EXPECT_EQ(of(cast(ScalarType::i64, Expr(a)) + cast(ScalarType::i64, Expr(b))),
            (IntegerRange{205, 260}));
}

TEST(integer_range, the_rows_of_a_call_are_known_only_where_somebody_says_so) {
  Program program;
  program.buffers.push_back({"count", {ScalarType::i64, {}}, Memory::input, {}, -1, {}});
  const Expr count = load(0, ScalarType::i64, {});
  EXPECT_EQ(range_of(count + 1, {&program, 3, {}}), (IntegerRange{4, 4}));
  EXPECT_EQ(range_of(count + 1, {&program, {}, {}}), std::nullopt);
  EXPECT_EQ(range_of(count, constant_ranges(program, {})), std::nullopt);
}

}  // namespace
}  // namespace cnnc
