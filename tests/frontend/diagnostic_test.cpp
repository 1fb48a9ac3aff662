#include "ir/base/diagnostic.h"

#include <gtest/gtest.h>

#include <array>

#include "ir/base/attributes.h"
#include "ir/target/target.h"

namespace cnnc {
namespace {

TEST(Diagnostic, shows_the_line_with_a_caret_and_a_hint) {
  const SourceText source{"a.model", "one\ntwo three\n"};
  EXPECT_EQ(render(source, {{2, 5, 5}, "wrong", "try four"}),
            "a.model:2:5: error: wrong\n  two three\n      ^~~~~\n  hint: try four");
  EXPECT_EQ(render(source, {{}, "no place", ""}), "a.model: error: no place");
}

TEST(Diagnostic, aligns_the_caret_behind_characters_of_several_bytes) {
  EXPECT_EQ(render({"m", "a → b"}, {{1, 7, 1}, "b", ""}), "m:1:7: error: b\n  a → b\n      ^");
}

TEST(Diagnostic, cuts_long_lines_and_survives_places_outside_and_broken_bytes) {
  const SourceText source{"m", std::string(10000, 'x') + "!" + std::string(10000, 'y')};
  const auto text = render(source, {{1, 10001, 1}, "here", ""});
  EXPECT_LT(text.size(), 300U);
  EXPECT_NE(text.find("x!y"), std::string::npos);
  EXPECT_NO_THROW(render({"m", ""}, {{7, 99, 3}, "gone", ""}));
  EXPECT_EQ(render({"m", "\xff\x01z"}, {{1, 3, 9}, "bytes", ""}),
            "m:1:3: error: bytes\n  ??z\n    ^");
}

TEST(Diagnostic, suggests_only_slips_of_the_fingers) {
  const std::array<std::string, 4> names{"maxpool", "relu", "conv", "dense"};
  EXPECT_EQ(closest("maxpol", names), "maxpool");
  EXPECT_EQ(closest("rleu", names), "relu");
  EXPECT_EQ(closest("softmax", names), "");
  EXPECT_EQ(closest(std::string(1 << 20, 'a'), names), "");
}

TEST(Attributes, are_sorted_checked_and_printed_in_round_trip_precision) {
  Attributes attributes{{"stride", 2}, {"eps", 0.1}, {"mode", std::string("a\"b")}};
  EXPECT_EQ(attributes.all().front().first, "eps");
  EXPECT_EQ(attributes.integer("stride"), 2);
  EXPECT_THROW(static_cast<void>(attributes.real("stride")), InternalError);
  EXPECT_THROW(static_cast<void>(attributes.text("none")), InternalError);
  EXPECT_EQ(to_string(AttributeValue(1.0)), "1.0");
  EXPECT_EQ(to_string(AttributeValue(1e-5)), "1e-05");
  EXPECT_EQ(to_string(AttributeValue(std::string("a\"b"))), "\"a\\\"b\"");
  EXPECT_EQ(to_string(AttributeValue(std::vector<std::int64_t>{1, 2})), "[1,2]");
}

TEST(Target, names_are_those_of_the_abi_levels) {
  EXPECT_EQ(named_target("x86-64")->lanes(ScalarType::f32), 4);
  EXPECT_EQ(named_target("x86-64-v3")->lanes(ScalarType::f32), 8);
  EXPECT_EQ(named_target("x86-64-v4")->registers, 32);
  EXPECT_FALSE(named_target("x86-64-v2")->fma);
  EXPECT_FALSE(named_target("native"));
}

}  // namespace
}  // namespace cnnc
