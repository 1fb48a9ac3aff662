// Between which values integer expressions stay.
#include "passes/integer_range.h"

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

}  // namespace
}  // namespace cnnc
