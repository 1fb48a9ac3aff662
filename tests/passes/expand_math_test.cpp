#include "passes/finish/expand_math.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "passes/finish/contract_fma.h"

namespace cnnc {
namespace {

using testing::HasSubstr;

Target target(std::string_view name) { return named_target(name).value(); }

// y[i] = op(x[i]) for all i, expanded and, where the target has fma, contracted.
template <class T>
std::vector<T> apply(UnaryOp op, const std::vector<T>& x, std::string_view target_name) {
  const auto type = ScalarTypeOf<T>::value;
  const TensorType shape{type, {static_cast<std::int64_t>(x.size())}};
  const Var i = make_var("i");
  Program program{
      "p", {{"x", shape, Memory::input, {}, -1, {}}, {"y", shape, Memory::output, {}, -1, {}}}, {}};
  Block body{{Store{1, {i}, unary(op, load(0, type, {i}))}}};
  program.kernels.push_back({"k", {}, {{For{i, 0, shape.dims[0], LoopKind::serial, body}}}});
  program = contract_fma(expand_math(program, target(target_name)), target(target_name));
  verify(program, "expand_math");
  walk_exprs(program.kernels[0].body, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      EXPECT_TRUE(e.as<Unary>() == nullptr || e.as<Unary>()->op != op || op == UnaryOp::floor);
    });
  });
  std::map<std::string, Tensor> buffers;
  buffers.emplace("x", Tensor(shape));
  std::copy(x.begin(), x.end(), buffers.at("x").data<T>().begin());
  interpret(program, buffers);
  const auto y = buffers.at("y").data<T>();
  return {y.begin(), y.end()};
}

long double exact(UnaryOp op, long double x) {
  switch (op) {
    case UnaryOp::exp: return std::exp(x);
    case UnaryOp::log: return std::log(x);
    case UnaryOp::tanh: return std::tanh(x);
    default: return std::floor(x);
  }
}

// |got - exact| in units of the last place that T has at `exact`.
template <class T>
long double ulps(T got, long double wanted) {
  if (std::isnan(wanted) && std::isnan(got)) return 0;
  if (static_cast<long double>(got) == wanted) return 0;
  const auto rounded = static_cast<T>(wanted);
  if (std::isnan(wanted) || std::isnan(got)) return 1e9L;
  if (std::isinf(got) || std::isinf(rounded)) return got == rounded ? 0 : 1e9L;
  int exponent = 0;
  std::frexp(wanted, &exponent);
  const int lowest = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  return std::fabs(static_cast<long double>(got) - wanted) /
         std::ldexp(1.0L, std::max(exponent - std::numeric_limits<T>::digits, lowest));
}

// Values over all bit patterns, and densely where `op` is interesting.
template <class T>
std::vector<T> inputs(UnaryOp op) {
  constexpr bool narrow = sizeof(T) == 4;
  std::mt19937_64 random(11);
  std::vector<T> x;
  for (int i = 0; i < 60000; ++i) {
    const auto bits = random();
    x.push_back(narrow ? static_cast<T>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))
                       : static_cast<T>(std::bit_cast<double>(bits)));
  }
  const auto sweep = [&](double low, double high) {
    std::uniform_real_distribution<double> values(low, high);
    for (int i = 0; i < 60000; ++i) x.push_back(static_cast<T>(values(random)));
  };
  if (op == UnaryOp::exp) narrow ? sweep(-106, 90) : sweep(-750, 711), sweep(-1, 1);
  if (op == UnaryOp::log) sweep(0, 4), sweep(0.9, 1.1), sweep(0, narrow ? 0x1p-124 : 0x1p-1020);
  if (op == UnaryOp::tanh) sweep(-1, 1), sweep(-10, 10), sweep(-0.01, 0.01);
  if (op == UnaryOp::floor) sweep(-10, 10);
  return x;
}

template <class T>
long double worst(UnaryOp op, std::string_view target_name) {
  const auto x = inputs<T>(op);
  const auto y = apply(op, x, target_name);
  long double largest = 0;
  T where = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto error = ulps(y[i], exact(op, static_cast<long double>(x[i])));
    if (error > largest) largest = error, where = x[i];
  }
  fmt::print("{} {} {}: {:.3f} ulp at {}\n", name_of(op), name_of(ScalarTypeOf<T>::value),
             target_name, static_cast<double>(largest), where);
  return largest;
}

class Accuracy : public testing::TestWithParam<std::tuple<UnaryOp, const char*>> {};

TEST_P(Accuracy, is_as_the_header_states) {
  const auto [op, name] = GetParam();
  const double stated = op == UnaryOp::exp ? 1.05 : op == UnaryOp::log ? 0.87 : 1.92;
  EXPECT_LE(worst<float>(op, name), stated);
  EXPECT_LE(worst<double>(op, name), stated);
}

INSTANTIATE_TEST_SUITE_P(Functions, Accuracy,
                         testing::Combine(testing::Values(UnaryOp::exp, UnaryOp::log,
                                                          UnaryOp::tanh),
                                          testing::Values("x86-64", "x86-64-v3")));

template <class T>
void check_specials() {
  using L = std::numeric_limits<T>;
  const T inf = L::infinity();
  const std::vector<T> x{
      T{0},     -T{0},    inf,         -inf, L::quiet_NaN(), L::denorm_min(), -L::denorm_min(),
      L::min(), L::max(), L::lowest(), T{1}, T{-1},          L::epsilon()};
  for (const auto op : {UnaryOp::exp, UnaryOp::log, UnaryOp::tanh, UnaryOp::floor}) {
    for (const auto* name : {"x86-64", "x86-64-v3"}) {
      const auto y = apply(op, x, name);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto wanted = exact(op, static_cast<long double>(x[i]));
        EXPECT_LE(ulps(y[i], wanted), 1) << name_of(op) << "(" << x[i] << ") = " << y[i];
        EXPECT_TRUE(std::isnan(wanted) || std::signbit(y[i]) == std::signbit(wanted))
            << name_of(op) << "(" << x[i] << ")";
      }
    }
  }
}

TEST(ExpandMath, special_values_are_those_of_the_standard) {
  check_specials<float>();
  check_specials<double>();
}

TEST(ExpandMath, floor_is_exact_without_an_instruction_for_it) {
  EXPECT_EQ(worst<float>(UnaryOp::floor, "x86-64"), 0);
  EXPECT_EQ(worst<double>(UnaryOp::floor, "x86-64"), 0);
}

Program parse(const std::string& body) {
  return parse_program({"test", "program p {\nx : f32[4] state\nk : i64[4] state\nkernel k {\n" +
                                    body + "\n}\n}\n"});
}

TEST(ExpandMath, a_call_is_made_once_and_nested_calls_are_expanded_inside_out) {
  const auto once = print(expand_math(parse("x[0] = exp(x[1]) + exp(x[1])"), target("x86-64-v3")));
  EXPECT_EQ(once.find("let exp_r :"), once.rfind("let exp_r"));
  const auto nested =
      expand_math(parse("for i in 0 .. 4 {\nif log(exp(x[i])) < 1.0 {\nx[i] = tanh(x[i])\n}\n}"),
                  target("x86-64-v3"));
  verify(nested, "expand_math");
  EXPECT_EQ(print(nested).find("log("), std::string::npos);
  EXPECT_EQ(print(nested).find("exp("), std::string::npos);
}

TEST(ExpandMath, floor_stays_where_the_target_has_it) {
  const auto program = parse("x[0] = floor(x[1])");
  EXPECT_THAT(print(expand_math(program, target("x86-64-v2"))), HasSubstr("floor(x[1])"));
  EXPECT_EQ(print(expand_math(program, target("x86-64"))).find("floor("), std::string::npos);
}

TEST(Contract, fuses_sums_and_differences_of_products) {
  struct Case {
    const char *before, *after;
  };
  for (const auto& [before, after] : std::vector<Case>{
           {"x[0] = x[1] * x[2] + x[3]", "x[0] = fma(x[1], x[2], x[3])"},
           {"x[0] = x[3] + x[1] * x[2]", "x[0] = fma(x[1], x[2], x[3])"},
           {"x[0] = x[1] * x[2] - x[3]", "x[0] = fma(x[1], x[2], -x[3])"},
           {"x[0] = x[3] - x[1] * x[2]", "x[0] = fma(-x[1], x[2], x[3])"},
           {"x[0] = x[1] * x[2] + x[2] * x[3]", "x[0] = fma(x[1], x[2], x[2] * x[3])"},
           {"x[0] = 1.0 + x[1] * (2.0 + x[1] * x[2])",
            "x[0] = fma(x[1], fma(x[1], x[2], 2.0), 1.0)"},
           {"x[0] += x[1] * x[2]", "x[0] = fma(x[1], x[2], x[0])"},
           {"x[0] += -(x[1] * x[2])", "x[0] = fma(-x[1], x[2], x[0])"},
           {"x[0] += x[1] + x[2]", "x[0] += x[1] + x[2]"},
           {"x[0] max= x[1] * x[2]", "x[0] max= x[1] * x[2]"},
           {"k[0] += k[1] * k[2] + 1", "k[0] += k[1] * k[2] + 1"},
       }) {
    const auto program = parse(before);
    EXPECT_THAT(print(contract_fma(program, target("x86-64-v3"))),
                HasSubstr(std::string(after) + "\n"))
        << before;
    EXPECT_EQ(print(contract_fma(program, target("x86-64"))), print(program));
  }
}

TEST(Contract, reaches_into_loops_and_branches) {
  const auto text = print(contract_fma(
      parse(
          "for i in 0 .. 4 {\nif i < 2 {\nx[i] += x[i] * x[i]\n} else {\nx[i] += x[i] * 2.0\n}\n}"),
      target("x86-64-v4")));
  EXPECT_EQ(text.find("+="), std::string::npos);
}

}  // namespace
}  // namespace cnnc
