#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "ir/loop/loop.h"

namespace cnnc {
namespace {

using testing::HasSubstr;

// Everything that the language has.
constexpr const char* kEverything = R"(program all {
  count : i64[] input
  image : u8[4,8] input
  weight : f32[8,16] state
  flat : f32[128] state view of weight
  loss : f32[] output
  table : f32[3] constant = [1.0, -inf, 1e-05]
  "odd name" : i32[2] constant = [-1, 2147483647]
  padded : f64[4,10] arena offset 4096
  scratch : f32[16] thread
  kernel conv1.forward serves conv1, "a b" {
    parallel for n in 0 .. count[] {
      alloc acc : f32[2,16] register
      vector for v in 0 .. 16 {
        acc[0, v] = 0.0
      }
      unroll for k in 0 .. 2 {
        let t : i64 = min(k * 16 - 3, n) / 2 % 5
        let x : f32 = f32(image[n, k]) * weight[k, 0] - flat[t + 1]
        acc[k, 0] += fma(x, x, -0.0) + select(x < 0.5 & !(k == t), -x, max(x, nan))
        acc[k, 1] max= exp(-x) / (x - (x - 1.0))
        acc[k, 2] min= bits_f32((bits_i32(x) << 1_i32) & 255_i32)
      }
      if n == 0 & !(n < 2 | 3 < n) {
        loss[] = acc[0, 0]
      } else {
        padded[n, 0] = 0.5_f64 * inf_f64 + sqrt(abs(tanh(floor(log(padded[n, 1])))))
      }
      if 3 <= n {
        scratch[0] = f32("odd name"[1])
      }
    }
  }
  kernel empty {
  }
}
)";

TEST(LoopText, canonical_text_reads_back_as_itself) {
  const auto program = parse_program({"all", kEverything});
  EXPECT_EQ(print(program), kEverything);
  EXPECT_EQ(program.kernels.at(0).layers.at(1), "a b");
  EXPECT_EQ(program.buffer(*program.find("table")).data.data<float>()[2], 1e-5F);
}

TEST(LoopText, one_kernel_prints_as_a_program_of_what_it_touches) {
  const auto program = parse_program({"all", kEverything});
  const auto text = print(program, program.kernels.at(1));
  EXPECT_EQ(text, "program all {\n  kernel empty {\n  }\n}\n");
  const auto first = print(program, program.kernels.at(0));
  EXPECT_EQ(first.find("table"), std::string::npos);
  EXPECT_EQ(print(parse_program({"first", first})), first);
}

TEST(LoopText, names_are_made_unique_where_they_meet_only) {
  const Var outer = make_var("i");
  const Var inner = make_var("i");
  const Var later = make_var("i");
  const Var odd = make_var("if a.b");
  Program program{"p", {{"x", {ScalarType::i64, {8}}, Memory::output, {}, -1, {}}}, {}};
  const auto store = [](const Expr& index, const Expr& value) {
    return Stmt{Store{0, {index}, value}};
  };
  Block nest{{For{inner, 0, 4, LoopKind::serial, {store(outer, inner)}}}};
  program.kernels.push_back({"k",
                             {},
                             {{For{outer, 0, 4, LoopKind::serial, nest}},
                              {For{later, 0, 4, LoopKind::serial, {store(0, later)}}},
                              {Let{odd, 3}},
                              store(0, odd)}});
  const auto text = print(program);
  EXPECT_THAT(text, HasSubstr("x[i] = i_1"));
  EXPECT_THAT(text, HasSubstr("  for i in 0 .. 4 {\n      x[0] = i\n"));
  EXPECT_THAT(text, HasSubstr("x[0] = if_a_b"));
  EXPECT_EQ(print(parse_program({"p", text})), text);
}

TEST(LoopText, constants_of_every_type_round_trip_exactly) {
  std::vector<Expr> values{
      integer_constant(ScalarType::i64, std::numeric_limits<std::int64_t>::min()),
      integer_constant(ScalarType::i64, std::numeric_limits<std::int64_t>::max()),
      integer_constant(ScalarType::u32, 4294967295),
      integer_constant(ScalarType::i8, -128),
      integer_constant(ScalarType::u8, 255),
      integer_constant(ScalarType::boolean, 1)};
  const auto inf = std::numeric_limits<double>::infinity();
  for (const double x : {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1.4e-45, 16777217.0, 1e22, inf, -inf})
    for (const auto type : {ScalarType::f32, ScalarType::f64}) values.push_back(constant(type, x));
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) {
    const double x = std::bit_cast<double>(random());
    const float y = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(x)) values.push_back(constant(ScalarType::f64, x));
    if (!std::isnan(y)) values.push_back(constant(ScalarType::f32, static_cast<double>(y)));
  }
  for (const auto& value : values) {
    Program program{"p",
                    {{"x", {value.type(), {}}, Memory::output, {}, -1, {}}},
                    {{"k", {}, {{Store{0, {}, value}}}}}};
    const auto text = print(program);
    const auto again = parse_program({"p", text});
    EXPECT_TRUE(same(again.kernels[0].body[0].as<Store>()->value, value)) << text;
  }
}

// A random well-typed expression over `vars` (i64) and buffer 0 (f32[4,4]).
Expr random_expr(std::mt19937& random, const std::vector<Var>& vars, ScalarType type, int depth) {
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  const auto sub = [&](ScalarType t) { return random_expr(random, vars, t, depth - 1); };
  if (type == ScalarType::boolean) {
    if (depth <= 0) return equal(vars[0], vars[1]);
    const auto t = pick(2) == 0 ? ScalarType::i64 : ScalarType::f32;
    const BinaryOp ops[] = {BinaryOp::less, BinaryOp::less_equal, BinaryOp::equal,
                            BinaryOp::not_equal};
    if (pick(3) == 0)
      return binary(pick(2) == 0 ? BinaryOp::bit_and : BinaryOp::bit_or, sub(type), sub(type));
    if (pick(5) == 0) return unary(UnaryOp::logical_not, sub(type));
    return binary(ops[pick(4)], sub(t), sub(t));
  }
  if (type == ScalarType::i64) {
    if (depth <= 0)
      return pick(2) == 0 ? Expr(vars[static_cast<std::size_t>(pick(2))]) : Expr(pick(9) - 4);
    const BinaryOp ops[] = {BinaryOp::add,     BinaryOp::sub,        BinaryOp::mul,
                            BinaryOp::div,     BinaryOp::rem,        BinaryOp::min,
                            BinaryOp::max,     BinaryOp::bit_and,    BinaryOp::bit_or,
                            BinaryOp::bit_xor, BinaryOp::shift_left, BinaryOp::shift_right};
    if (pick(8) == 0) return -sub(type);
    if (pick(8) == 0) return cast(type, sub(ScalarType::f32));
    return binary(ops[pick(12)], sub(type), sub(type));
  }
  if (depth <= 0)
    return pick(2) == 0 ? constant(type, pick(9) - 4) : load(0, type, {vars[0], vars[1]});
  const BinaryOp ops[] = {BinaryOp::add, BinaryOp::sub, BinaryOp::mul,
                          BinaryOp::div, BinaryOp::min, BinaryOp::max};
  switch (pick(8)) {
    case 0: return fma(sub(type), sub(type), sub(type));
    case 1: return select(sub(ScalarType::boolean), sub(type), sub(type));
    case 2: return cast(type, sub(ScalarType::i64));
    case 3: return unary(pick(2) == 0 ? UnaryOp::neg : UnaryOp::exp, sub(type));
    default: return binary(ops[pick(6)], sub(type), sub(type));
  }
}

TEST(LoopText, random_expressions_read_back_the_same) {
  std::mt19937 random(7);
  const std::vector<Var> vars{make_var("i"), make_var("j")};
  for (int i = 0; i < 2000; ++i) {
    const auto value = random_expr(random, vars, ScalarType::f32, 5);
    Program program{"p", {{"x", {ScalarType::f32, {4, 4}}, Memory::state, {}, -1, {}}}, {}};
    Block body{{For{vars[1], 0, 4, LoopKind::serial, {{Store{0, {0, 0}, value}}}}}};
    program.kernels.push_back({"k", {}, {{For{vars[0], 0, 4, LoopKind::serial, body}}}});
    const auto text = print(program);
    const auto again = parse_program({"p", text});
    ASSERT_EQ(print(again), text);
    const auto* outer = again.kernels[0].body[0].as<For>();
    const auto* inner = outer->body[0].as<For>();
    ASSERT_TRUE(same(value, inner->body[0].as<Store>()->value,
                     {{vars[0], outer->var}, {vars[1], inner->var}}))
        << text;
  }
}

std::string error_of(const std::string& text) {
  try {
    parse_program({"f", text});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string in_kernel(const std::string& statement) {
  return "program p {\n  x : f32[4] state\n  n : i64[] input\n  kernel k {\n" + statement +
         "\n  }\n}\n";
}

TEST(LoopText, mistakes_are_reported_with_their_place) {
  struct Case {
    const char *statement, *message;
  };
  for (const auto& [statement, message] : std::vector<Case>{
           {"x[0] = 1", "f:5:8: error: the value must be f32, not i64"},
           {"x[0] = 1.0 + 1", "f:5:12: error: '+' has no meaning for f32 and i64"},
           {"x[0] = y", "f:5:8: error: there is no variable 'y' here"},
           {"x[0] = n", "hint: a buffer needs an index: n[]"},
           {"y[0] = 1.0", "f:5:1: error: there is no buffer 'y' here"},
           {"x[0, 1] = 1.0", "f:5:1: error: 'x' has 1 dimensions, not 2"},
           {"x[0.5] = 1.0", "f:5:3: error: an index must be i64, not f32"},
           {"x[0] = sin(1.0)", "f:5:8: error: there is no function 'sin'"},
           {"x[0] = fma(1.0, 2.0)", "'fma' takes 3 arguments, not 2"},
           {"x[0] = fma(1, 2, 3)", "fma takes three values of one floating type"},
           {"x[0] = select(1, 2.0, 3.0)", "the condition of select must be bool, not i64"},
           {"x[0] = bits_f32(1)", "the bits of i64 are no f32"},
           {"x[0] = f32(300_u8)", "'300' is no u8"},
           {"x[0] = 1_u7", "its suffix is not a type"},
           {"x[0] = f32(99999999999999999999)", "is no i64"},
           {"x[0] = 1e999", "'1e999' is no f32"},
           {"x[0] -> 1.0", "expected =, +=, max= or min="},
           {"x[0] = (1.0", "expected ')'"},
           {"for i in 0 .. 1.0 { }", "a loop's bound must be i64, not f32"},
           {"for i in 0 .. 4 { for i in 0 .. 4 { } }", "there is a variable 'i' already"},
           {"for inf in 0 .. 4 { }", "'inf' is a word of the language"},
           {"let t : f16 = 1.0", "'f16' is not a type"},
           {"if 1 { }", "a condition must be bool, not i64"},
           {"alloc x : f32[4] stack", "there is a buffer 'x' already"},
           {"alloc y : f32[4] arena", "arena buffers are declared in front of the kernels"},
           {"alloc y : f32[0] stack", "every extent must be positive"},
           {"alloc y : f32[99999999,99999999,99999999] stack", "a buffer has at most"},
           {"alloc y : f32[4] stack view of z", "there is no buffer 'z' above"},
           {"return", "expected a statement"},
           {"\x01", "this character has no meaning here"},
           {"x[0] = \"abc", "this string has no end"},
       })
    EXPECT_THAT(error_of(in_kernel(statement)), HasSubstr(message)) << statement;
}

TEST(LoopText, all_mistakes_of_a_text_are_reported_once_each) {
  const auto text =
      error_of(in_kernel("x[0] = y\nfor i in 0 .. z {\n  x[q] = w\n}\nlet t : f32 = 1\nx[0] = "
                         "t\nif c {\n} else {\n}\nx[0] = 2"));
  std::size_t count = 0;
  for (auto at = text.find("error:"); at != std::string::npos; at = text.find("error:", at + 1))
    ++count;
  EXPECT_EQ(count, 5U) << text;
}

TEST(LoopText, broken_frames_are_errors) {
  for (const auto* text :
       {"", "program", "program p", "program p {", "program p { kernel k {",
        "program p { x : f32[4] } }", "program p { x : f32[4] constant = [1.0] }",
        "program p { x : u8[1] constant = [256] }", "program p { x : f32[1] register }",
        "program p { x : f32[B] state }", "module p { }",
        "program p { x : f32[1] state\n x : f32[1] state }"})
    EXPECT_THAT(error_of(text), HasSubstr("error:")) << text;
}

TEST(LoopText, deep_nesting_is_refused_and_long_chains_too) {
  const auto repeat = [](const std::string& piece, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += piece;
    return text;
  };
  const int many = 100000;
  EXPECT_THAT(error_of(in_kernel("x[0] = " + repeat("(", many))),
              HasSubstr("nest deeper than 256"));
  EXPECT_THAT(error_of(in_kernel("x[0] = " + repeat("-", many) + "x[0]")),
              HasSubstr("nest deeper than 256"));
  EXPECT_THAT(error_of(in_kernel("x[0] = " + repeat("x[i64(", many))),
              HasSubstr("nest deeper than 256"));
  EXPECT_THAT(error_of(in_kernel("x[0] = 1.0" + repeat(" + x[0]", many))),
              HasSubstr("operations deep"));
  EXPECT_THAT(error_of(in_kernel(repeat("if true {\n", many))), HasSubstr("nest deeper than 256"));
  EXPECT_NO_THROW(parse_program({"f", in_kernel(repeat("if true {\n", 200) + repeat("}\n", 200))}));
}

TEST(LoopText, no_mutation_of_a_text_crashes_the_parser) {
  std::mt19937 random(3);
  const std::string text = kEverything;
  for (int i = 0; i < 3000; ++i) {
    auto mutated = text;
    for (int edits = 0; edits < 3; ++edits) {
      const auto at = std::uniform_int_distribution<std::size_t>(0, mutated.size() - 1)(random);
      const auto from = std::uniform_int_distribution<std::size_t>(0, text.size() - 1)(random);
      if (random() % 2 == 0)
        mutated[at] = text[from];
      else
        mutated.erase(at, random() % 8);
      if (mutated.empty()) mutated = "x";
    }
    try {
      const auto program = parse_program({"m", mutated});
      const auto once = print(program);
      ASSERT_EQ(print(parse_program({"m", once})), once) << mutated;
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace cnnc
