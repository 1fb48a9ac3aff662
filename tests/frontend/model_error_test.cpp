// No model text takes long or goes deep; what is said of damaged ones has a position. (The
// messages, word for word: bad_input_test.cpp.)
#include <gtest/gtest.h>

#include "frontend/model.h"

namespace cnnc {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_model({"m.model", text}, Language::standard());
  } catch (const Error& error) {
    return std::string(error.what()) + "\n";
  }
  return "no mistake was found\n";
}

// The first line of the message, and how many mistakes there are.
std::pair<std::string, std::size_t> summary(const std::string& text) {
  const std::string message = error_of(text);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = message.find(": error: ", at)) != std::string::npos; ++at) ++count;
  return {message.substr(0, message.find('\n')), count};
}

std::string repeat(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(ModelError, nested_parentheses_are_one_mistake) {
  const auto [message, count] =
      summary("model m {\n  input(8x8x1) -> conv(" + repeat("(", 100'000) + "1" +
              repeat(")", 100'000) + ", 3x3) -> relu\n}\n");
  EXPECT_EQ(message, "m.model:2:88: error: parentheses are nested more than 64 deep");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, unclosed_parentheses_end) {
  const auto [message, count] =
      summary("model m {\n  input(8x8x1) -> conv(" + repeat("(", 100'000));
  EXPECT_EQ(message, "m.model:1:9: error: this `{` is never closed");
  EXPECT_EQ(count, 2U);
}

TEST(ModelError, nested_braces_are_one_mistake) {
  const auto [message, count] = summary("model m {\n  input(8x8x1) -> relu " +
                                        repeat("{", 100'000) + repeat("}", 100'000) + "\n}\n");
  EXPECT_EQ(message, "m.model:2:24: error: expected `->` or a new line after `relu`, found `{`");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, nested_calls_are_one_mistake) {
  const auto [message, count] = summary("model m {\n  input(8x8x1) -> " + repeat("conv(", 100'000) +
                                        repeat(")", 100'000) + "\n}\n");
  EXPECT_EQ(message, "m.model:2:24: error: `conv(...)` cannot be an argument");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, long_sums_are_computed_without_recursion) {
  const auto [message, count] =
      summary("model m {\n  input(8x8x1) -> conv(" + repeat("1 - 1 + ", 50'000) + "0, 3x3)\n}\n");
  EXPECT_EQ(message, "m.model:2:24: error: `channels` of `conv` must be at least 1; it is 0");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, deeply_nested_blocks_are_one_mistake) {
  std::string text = "model m { input(8x8x1) -> b0 }\n";
  for (int i = 0; i < 20'000; ++i)
    text += fmt::format("block b{} {{ input -> relu -> b{} }}\n", i, i + 1);
  text += "block b20000 { input -> relu }\n";
  const auto [message, count] = summary(text);
  EXPECT_EQ(message, "m.model:33:30: error: blocks are nested more than 32 deep");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, a_long_cycle_of_blocks_is_one_mistake) {
  std::string text = "model m { input(8x8x1) -> b0 }\n";
  for (int i = 0; i < 20'000; ++i)
    text += fmt::format("block b{} {{ input -> relu -> b{} }}\n", i, (i + 1) % 20'000);
  EXPECT_NE(error_of(text).find("m.model:20001:33: error: the block `b0` uses itself"),
            std::string::npos)
      << error_of(text);
  EXPECT_EQ(summary(text).second, 2U);  // and the depth
}

TEST(ModelError, doubling_blocks_stop_at_the_limit) {
  std::string text = "model m { input(8x8x1) -> b0 }\n";
  for (int i = 0; i < 25; ++i)
    text += fmt::format("block b{} {{ input -> b{} -> b{} }}\n", i, i + 1, i + 1);
  for (const char* last :
       {"input -> relu", "input", "x = input -> relu\n add(x, x)", "input -> rleu"}) {
    const auto [message, count] = summary(text + "block b25 { " + last + " }\n");
    EXPECT_LE(count, 2U) << message;
    EXPECT_GE(count, 1U) << message;
  }
  EXPECT_EQ(summary(text + "block b25 { input -> relu }\n").first,
            "m.model:1:27: error: the model has more than 10000 layers");
}

TEST(ModelError, activations_above_the_limit_are_one_mistake) {
  const auto [message, count] =
      summary("model m {\n  input(1024x1024x512)" + repeat(" -> relu", 10) + "\n}\n");
  EXPECT_EQ(message,
            "m.model:2:59: error: up to this layer the model has 2684354560 activations a sample; "
            "the limit is 2147483648");
  EXPECT_EQ(count, 1U);
}

TEST(ModelError, a_text_above_the_limit_is_refused) {
  EXPECT_EQ(summary(std::string(2'000'000, ' ')).first,
            "m.model: error: the text has 2000000 bytes; the limit is 1048576");
}

// A lot of each kind of nonsense ends soon (a quadratic step would hit the test's time limit).
TEST(ModelError, long_nonsense_ends) {
  const std::string begin = "model m {\n  input(8x8x1) -> relu\n";
  for (const char* text : {")",         "}",           "{",
                           "(",         "-> ",         "= ",
                           "a = ",      "\"",          "\xff",
                           "\xff\n",    "x",           "1",
                           "1x",        ";\n",         "a\n",
                           "# c\n",     "\n",          "a = relu\n",
                           "-",         "conv(\n",     "relu(name=a) -> ",
                           "add(a, ",   "block b(",    "train {",
                           "model m {", "batch = 1\n", "relu -> "}) {
    const std::string noise =
        repeat(text, static_cast<int>(100'000 / std::string_view(text).size()));
    EXPECT_NE(error_of(begin + noise), "no mistake was found\n") << text;
    EXPECT_NE(error_of(noise), "no mistake was found\n") << text;
    EXPECT_NE(error_of("train { " + noise), "no mistake was found\n") << text;
  }
}

TEST(ModelError, many_names_end) {
  std::string values = "model m {\n  a = input(8x8x1)\n";
  std::string unknown = values;
  for (int i = 0; i < 9'000; ++i) {
    values += fmt::format("  value_{} = a -> relu -> add(valu_{})\n", i, i);
    unknown += fmt::format("  unknown_{} -> relu\n", i);
  }
  EXPECT_EQ(error_of(values + "}\n").find("no mistake"), std::string::npos);
  EXPECT_EQ(error_of(unknown + "}\n").find("no mistake"), std::string::npos);
}

// Every prefix of a good text, and every text with one byte changed, is good or has a positioned
// error.
TEST(ModelError, damaged_texts_have_positioned_errors) {
  const std::string good =
      "block b(c, s=1) {\n  x = input -> conv(2*c, 3x3, pad=1)\n  input -> conv(2*c, 1x1) -> "
      "add(x)\n}\n"
      "model m {\n  a = input(8x8x1) -> b(2) # note\n  a -> b(2, s=1) -> flatten -> dense(10)\n}\n"
      "train { data = mnist loss = cross_entropy optimizer = sgd(lr=0.1) }\n";
  const auto check = [](const std::string& text) {
    const std::string message = error_of(text);
    EXPECT_TRUE(message == "no mistake was found\n" || message.starts_with("m.model:")) << message;
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    check(good.substr(0, i));
    for (const char c : {'(', ')', '{', '}', ',', '=', '-', '0', 'x', '\n', '"', '\0', '\xff'}) {
      std::string damaged = good;
      damaged[i] = c;
      check(damaged);
    }
  }
}

}  // namespace
}  // namespace cnnc
