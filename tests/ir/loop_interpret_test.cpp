#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ir/loop/loop.h"

namespace cnnc {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Buffers = std::map<std::string, Tensor>;

Program parse(const std::string& declarations, const std::string& body) {
  return parse_program(
      {"test", "program p {\n" + declarations + "\nkernel k {\n" + body + "\n}\n}\n"});
}

template <class T>
Tensor tensor(ScalarType type, Dims dims, const std::vector<T>& values) {
  Tensor result(TensorType{type, std::move(dims)});
  std::copy(values.begin(), values.end(), result.data<T>().begin());
  return result;
}

std::vector<float> run(const std::string& declarations, const std::string& body,
                       Buffers buffers = {}) {
  const auto program = parse(declarations, body);
  verify(program, "parse");
  interpret(program, buffers);
  const auto result = buffers.at("out").data<float>();
  return {result.begin(), result.end()};
}

TEST(LoopInterpret, matrix_product_with_a_register_tile) {
  const auto result = run(R"(
    a : f32[2,3] input
    b : f32[3,2] input
    out : f32[2,2] output)",
                          R"(
    parallel for i in 0 .. 2 {
      alloc acc : f32[2] register
      vector for v in 0 .. 2 {
        acc[v] = 0.0
      }
      for k in 0 .. 3 {
        vector for v in 0 .. 2 {
          acc[v] += a[i, k] * b[k, v]
        }
      }
      unroll for v in 0 .. 2 {
        out[i, v] = acc[v]
      }
    })",
                          {{"a", tensor<float>(ScalarType::f32, {2, 3}, {1, 2, 3, 4, 5, 6})},
                           {"b", tensor<float>(ScalarType::f32, {3, 2}, {1, 0, 0, 1, 1, 1})}});
  EXPECT_THAT(result, ElementsAre(4, 5, 10, 11));
}

TEST(LoopInterpret, accumulations_conditions_and_lets) {
  EXPECT_THAT(run("out : f32[4] output", R"(
    for i in 0 .. 4 {
      let x : f32 = f32(i * i)
      if i % 2 == 0 {
        out[0] += x
        out[1] max= x
      } else {
        out[2] min= -x
        out[3] += 1.0
      }
    })"),
              ElementsAre(4, 4, -9, 2));
}

TEST(LoopInterpret, max_accumulation_propagates_nan_from_either_side) {
  const auto result =
      run("out : f32[2] output", "out[0] = nan\nout[0] max= 1.0\nout[1] max= nan\nout[1] max= 2.0");
  EXPECT_TRUE(std::isnan(result[0]));
  EXPECT_TRUE(std::isnan(result[1]));
}

TEST(LoopInterpret, views_and_planned_buffers_share_memory) {
  EXPECT_THAT(run(R"(
    out : f32[4] output
    square : f32[2,2] output view of out
    a : f32[32] arena offset 0
    b : f32[2] arena offset 64)",
                  "a[16] = 7.0\nsquare[1, 0] = b[0]\nout[3] = 1.0"),
              ElementsAre(0, 0, 7, 1));
}

TEST(LoopInterpret, states_come_in_and_go_out_and_constants_are_there) {
  Buffers buffers{{"s", tensor<float>(ScalarType::f32, {2}, {1, 2})},
                  {"n", tensor<std::int64_t>(ScalarType::i64, {}, {2})}};
  interpret(parse("s : f32[2] state\nn : i64[] input\nc : f32[2] constant = [10.0, 20.0]",
                  "for i in 0 .. n[] {\ns[i] += c[i]\n}"),
            buffers);
  EXPECT_THAT(buffers.at("s").data<float>(), ElementsAre(11, 22));
}

TEST(LoopInterpret, memory_that_was_not_stored_shows_as_nan) {
  EXPECT_TRUE(std::isnan(run("out : f32[1] output", "alloc a : f32[1] stack\nout[0] = a[0]")[0]));
  EXPECT_TRUE(std::isnan(run("out : f32[1] output\nt : f32[1] thread", "out[0] = t[0]")[0]));
  EXPECT_TRUE(std::isnan(
      run("out : f32[1] output",
          "for i in 0 .. 2 {\nalloc a : f32[1] stack\nif i == 0 {\na[0] = 1.0\n}\nout[0] = a[0]\n}")
          [0]));
}

std::string failure(const Program& program, Buffers buffers = {}) {
  try {
    interpret(program, buffers);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LoopInterpret, accesses_out_of_bounds_are_named) {
  EXPECT_EQ(failure(parse("out : f32[4,2] output", "for i in 0 .. 5 {\nout[i, 1] = 1.0\n}")),
            "kernel k: out[4,1] is outside of out[4,2]");
  EXPECT_EQ(failure(parse("out : f32[4] output", "out[0] = out[-1]")),
            "kernel k: out[-1] is outside of out[4]");
  // Also on the side of a select that is not taken.
  EXPECT_THAT(failure(parse("out : f32[4] output",
                            "for i in 0 .. 4 {\nout[0] = select(i < 3, out[i + 1], 0.0)\n}")),
              HasSubstr("out[4]"));
}

TEST(LoopInterpret, missing_and_wrong_inputs_are_named) {
  const auto program = parse("x : f32[2] input", "");
  EXPECT_EQ(failure(program), "input x is missing");
  EXPECT_EQ(failure(program, {{"x", Tensor(TensorType{ScalarType::f32, {3}})}}),
            "input x must be f32[2], not f32[3]");
}

TEST(LoopInterpret, memory_is_bounded_before_it_is_taken) {
  std::string declarations;
  for (int i = 0; i < 100; ++i)
    declarations += "b" + std::to_string(i) + " : f64[1073741824] arena\n";
  EXPECT_THAT(failure(parse(declarations, "")), HasSubstr("more than"));
  EXPECT_THAT(failure(parse("b : f32[2] arena offset 9223372036854775744", "")),
              HasSubstr("too large"));
}

TEST(LoopVerify, complains_about_what_no_program_may_do) {
  struct Case {
    const char *declarations, *body, *complaint;
  };
  for (const auto& [declarations, body, complaint] : std::vector<Case>{
           {"x : f32[2] input", "x[0] = 1.0", "x is input memory and cannot be written"},
           {"x : f32[1] constant = [1.0]", "x[0] += 1.0",
            "x is constant memory and cannot be written"},
           {"x : f32[2] input\ny : f32[2] arena view of x", "y[0] = 1.0",
            "y is input memory and cannot be written"},
           {"x : f32[2] state\ny : f32[3] state view of x", "", "f32[3] cannot view x f32[2]"},
           {"x : f32[2] state\ny : f32[2] state view of x\nz : f32[2] state view of y", "",
            "view of the view y"},
           {"x : f32[2] state", "for i in 0 .. 2 {\nparallel for j in 0 .. 2 {\n}\n}",
            "parallel loop j is inside of another loop"},
           {"n : i64[] input", "vector for v in 0 .. n[] {\n}",
            "vector loop v has no constant extent"},
           {"x : f32[2] state", "vector for v in 0 .. 8 {\nfor i in 0 .. 2 {\n}\n}",
            "loop i is inside of a vector loop"},
           {"n : i64[] input", "alloc r : f32[2] register\nfor i in 0 .. n[] {\nr[i] = 0.0\n}",
            "i cannot index register buffer r"},
           {"x : f32[2] state", "}\nkernel k {", "there are two kernels of this name"},
           {"x : f32[4] state", "vector for v in 0 .. 4 {\nx[v - v] += 1.0\n}",
            "all lanes of a vector loop write one element of x"},
           {"x : f32[4,4] state", "vector for v in 0 .. 4 {\nx[v, 3 - 4 * v] = 1.0\n}",
            "all lanes of a vector loop write one element of x"},
           {"x : f32[4] state\nn : i64[4] input",
            "vector for v in 0 .. 4 {\nlet k : i64 = n[v - v]\nx[k] = 1.0\n}",
            "all lanes of a vector loop write one element of x"},
           {"x : f32[4] state", "let a : f32 = 1.0\nparallel for i in 0 .. 4 {\nx[i] = a\n}",
            "variable a is bound outside of the parallel loop"},
           {"x : f32[4] state",
            "alloc a : f32[4] stack\nparallel for i in 0 .. 4 {\nx[i] = a[i]\n}",
            "a is allocated outside of the parallel loop"},
           {"x : f32[4] state offset 64", "", "only arena and thread buffers"},
           {"x : f32[4] arena offset 32", "", "its offset 32 is no multiple of 64"},
       })
    EXPECT_THAT(verify_errors(parse(declarations, body)), Contains(HasSubstr(complaint))) << body;
}

TEST(LoopVerify, complains_about_what_later_stages_cannot_take) {
  struct Case {
    const char *declarations, *body, *complaint;
    Need need;
  };
  for (const auto& [declarations, body, complaint, need] : std::vector<Case>{
           {"x : f32[4] state", "x[0] = exp(x[1])", "exp is no arithmetic", Need::code},
           {"x : f32[4] arena", "x[0] = 1.0", "x has no place in memory", Need::code},
           {"x : f32[4096] state", "vector for v in 0 .. 257 {\nx[v] = 1.0\n}",
            "vector loop v has 257 lanes", Need::size},
           {"x : f32[4] state",
            "unroll for i in 0 .. 256 {\nvector for v in 0 .. 4 {\nx[v] = 1.0\n"
            "x[v] += 1.0\n}\nunroll for j in 0 .. 64 {\nx[j / 16] = 1.0\n}\n}",
            "are more than 16384 statements", Need::size},
           {"x : f32[4] state", "alloc a : f64[131073] stack\na[0] = 1.0_f64",
            "take more than 1048576 bytes", Need::size},
       }) {
    const Program program = parse(declarations, body);
    EXPECT_THAT(verify_errors(program), IsEmpty()) << body;
    EXPECT_THAT(verify_errors(program, need), Contains(HasSubstr(complaint))) << body;
  }
}

TEST(LoopVerify, accepts_lanes_that_may_write_different_elements) {
  const auto program =
      parse("x : f32[16] state\nn : i64[4] input",
            "vector for v in 0 .. 4 {\nlet k : i64 = v * 2\nx[k] = 1.0\nlet m : i64 = n[v]\n"
            "x[m + 8] = 1.0\n}\nvector for v in 0 .. 1 {\nx[0] += 1.0\n}\n"
            "let a : i64 = 4\nparallel for i in 0 .. a {\nlet b : f32 = 1.0\nx[i] = b\n}");
  EXPECT_THAT(verify_errors(program), IsEmpty());
}

TEST(LoopVerify, accepts_vector_loops_whose_extent_shows_by_form) {
  const auto program =
      parse("x : f32[64] state",
            "for i in 0 .. 4 {\nvector for v in i * 16 .. i * 16 + 16 {\nx[v] = 0.0\n}\n}");
  EXPECT_THAT(verify_errors(program), IsEmpty());
}

// Programs that no text can say: made with the builders, as a careless pass would.
TEST(LoopVerify, complains_about_scopes_and_types) {
  const Program sound =
      parse("x : f32[4] state\nn : i64[] input",
            "for i in 0 .. 4 {\nalloc a : f32[1] stack\na[0] = 1.0\nx[i] = a[0]\n}");
  ASSERT_THAT(verify_errors(sound), IsEmpty());
  const auto* loop = sound.kernels[0].body[0].as<For>();
  const auto broken = [&](Stmt stmt, std::string_view part) {
    auto program = sound;
    program.kernels[0].body.push_back(std::move(stmt));
    EXPECT_THAT(verify_errors(program), Contains(HasSubstr(std::string(part))));
    EXPECT_THROW(verify(program, "test"), InternalError);
  };
  const auto one = constant(ScalarType::f32, 1);
  broken({Store{0, {loop->var}, one}}, "variable i is not in scope");
  broken({Store{2, {0}, one}}, "a is not allocated here");
  broken({Store{0, {0}, load(2, ScalarType::f32, {0})}}, "a is not allocated here");
  broken({Store{0, {0}, Expr(1)}}, "must be f32");
  broken({Store{0, {0, 0}, one}}, "2 indices for x");
  broken({Store{9, {0}, one}}, "a buffer that is not there");
  broken({Store{0, {one}, one}}, "an index must be i64");
  broken({Store{0, {0}, Expr()}}, "is empty");
  broken({Store{0, {0}, load(1, ScalarType::f32, {})}}, "types do not agree");
  broken({Store{0, {0}, Expr(ExprNode{Binary{BinaryOp::add, one, Expr(1)}, ScalarType::f32})}},
         "types do not agree");
  broken({Let{loop->var, one}}, "must be i64");
  broken({Alloc{0}}, "alloc of x, which is state memory");
  broken({For{loop->var, 0, 2, LoopKind::serial, {{For{loop->var, 0, 2, LoopKind::serial, {}}}}}},
         "variable i is bound again");
  broken({If{one, {}, {}}}, "a condition must be bool");
}

TEST(LoopRewrite, substitution_reaches_every_expression) {
  const auto program = parse("x : f32[9] state",
                             "for i in 1 .. 4 {\nfor j in i .. i + 2 {\nif i < 9 {\nlet t : i64 = "
                             "i\nx[i] += f32(t + i)\n}\n}\n}");
  const auto* outer = program.kernels[0].body[0].as<For>();
  const auto replaced = substitute(outer->body, {{outer->var, Expr(2)}});
  walk_exprs(replaced, [&](const Expr& expr) { EXPECT_FALSE(depends_on(expr, outer->var)); });
  EXPECT_EQ(constant_extent(*replaced[0].as<For>()), 2);
}

}  // namespace
}  // namespace cnnc
