// Every operator of scalar expressions, of every type, on the values at the edges of that type:
// machine code, statement by statement and in vectors, computes what the interpreter does.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "ir/expr/arithmetic.h"
#include "ir/expr/evaluate.h"
#include "passes/finish/expand_math.h"
#include "tests/guarded_executable.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kLanes = 8;

constexpr std::array kTypes{ScalarType::f32, ScalarType::f64, ScalarType::i8,  ScalarType::u8,
                            ScalarType::i32, ScalarType::u32, ScalarType::i64, ScalarType::boolean};

Scalar integer(std::int64_t value) { return {.integer = value}; }
Scalar real(double value) { return {.real = value}; }

std::vector<Scalar> edge_values(ScalarType type) {
  std::vector<Scalar> values;
  dispatch(type, [&](auto zero) {
    using Limits = std::numeric_limits<decltype(zero)>;
    if (is_float(type)) {
      const double tiny = static_cast<double>(Limits::denorm_min());
      const double greatest = static_cast<double>(Limits::max());
      for (const double value : {0.0, 0.5, 1.0, 1.75, 2.5, 100.0, 3e4, greatest, 3 * tiny,
                                 static_cast<double>(Limits::infinity())}) {
        values.push_back(real(value));
        values.push_back(real(-value));
      }
      values.push_back(real(std::nan("")));
    } else {
      const auto low = static_cast<std::int64_t>(Limits::min());
      const auto high = static_cast<std::int64_t>(Limits::max());
      for (const std::int64_t value :
           {low, low + 1, std::int64_t{-7}, std::int64_t{-2}, std::int64_t{-1}, std::int64_t{0},
            std::int64_t{1}, std::int64_t{3}, std::int64_t{8}, high - 1, high})
        if (value >= low && value <= high) values.push_back(integer(value));
    }
  });
  return values;
}

/// Whether `value` of type `from` has a counterpart of type `to`: reals beyond a range have none.
bool converts(Scalar value, ScalarType from, ScalarType to) {
  if (!is_float(from) || !is_integer(to)) return true;
  return dispatch(to, [&](auto zero) {
    using Limits = std::numeric_limits<decltype(zero)>;
    return std::trunc(value.real) >= static_cast<double>(Limits::min()) &&
           std::trunc(value.real) < std::ldexp(1.0, Limits::digits);
  });
}

/// A program of kernels that apply one operator each to columns of operands.
class Operators {
 public:
  using Make = std::function<Expr(const std::vector<Expr>&)>;

  Operators() {
    program_.name = "operators";
    add_buffer("count", {ScalarType::i64, {}}, Memory::input);
    inputs_.emplace("count", Tensor({ScalarType::i64, {}}));
  }

  /// `make` of each row of `rows`, whose columns are of these types.
  void add(const std::string& name, const std::vector<ScalarType>& types,
           std::vector<std::vector<Scalar>> rows, const Make& make) {
    while (rows.size() % kLanes != 0) rows.push_back(rows.front());
    const auto count = static_cast<std::int64_t>(rows.size());
    std::vector<BufferId> columns;
    for (std::size_t c = 0; c < types.size(); ++c) {
      Tensor column({types[c], {count}});
      const MemoryView memory = view_of("column", column);
      for (std::int64_t i = 0; i < count; ++i)
        write(memory, i, rows[static_cast<std::size_t>(i)][c]);
      const std::string column_name = fmt::format("{}.{}", name, c);
      columns.push_back(add_buffer(column_name, column.type(), Memory::input));
      inputs_.emplace(column_name, std::move(column));
    }
    const auto value_at = [&](const Expr& at) {
      std::vector<Expr> operands;
      for (std::size_t c = 0; c < types.size(); ++c)
        operands.push_back(load(columns[c], types[c], {at}));
      return make(operands);
    };
    const auto add_kernel = [&](const std::string& kind, const Expr& at, const auto& wrapped) {
      const Expr value = value_at(at);
      const BufferId result = add_buffer(name + kind, {value.type(), {count}}, Memory::output);
      program_.kernels.push_back(
          {name + kind, {}, wrapped(Stmt{Store{result, {at}, value}}), false});
    };
    const Var i = make_var("i"), block = make_var("block"), lane = make_var("lane");
    add_kernel(".serial", Expr(i), [&](const Stmt& store) {
      return Block{{For{i, 0, count, LoopKind::serial, {store}}}};
    });
    add_kernel(".vector", Expr(block) * kLanes + Expr(lane), [&](const Stmt& store) {
      const Stmt vector{For{lane, 0, kLanes, LoopKind::vector, {store}}};
      return Block{{For{block, 0, count / kLanes, LoopKind::serial, {vector}}}};
    });
  }

  /// The first difference between machine code for `target` and the interpreter, as text.
  std::string difference(const Target& target) const {
    const Program program = expand_math(program_, target);
    verify(program, "operators");
    std::map<std::string, Tensor> expected = inputs_;
    interpret(program, expected);
    GuardedExecutable executable(program, target);
    ThreadPool pool(1);
    call(executable, inputs_, 1, pool);
    for (const Buffer& buffer : program.buffers) {
      if (buffer.memory != Memory::output) continue;
      const Tensor got = read_tensor(executable, buffer.name);
      const Tensor& want = expected.at(buffer.name);
      const auto size = static_cast<std::ptrdiff_t>(size_of(want.type().scalar));
      for (std::int64_t i = 0; i < want.size(); ++i) {
        const auto at = i * size;
        if (std::equal(want.bytes().begin() + at, want.bytes().begin() + at + size,
                       got.bytes().begin() + at) ||
            (std::isnan(want.get(i)) && std::isnan(got.get(i))))
          continue;
        return fmt::format("{} of row {} ({}) is {}, not {}", buffer.name, i, row(buffer.name, i),
                           got.get(i), want.get(i));
      }
    }
    return "";
  }

 private:
  BufferId add_buffer(const std::string& name, TensorType type, Memory memory) {
    program_.buffers.push_back({name, std::move(type), memory, std::nullopt, -1, {}});
    return static_cast<BufferId>(program_.buffers.size()) - 1;
  }

  std::string row(const std::string& result, std::int64_t i) const {
    const std::string name = result.substr(0, result.rfind('.'));
    std::string text;
    for (int c = 0; inputs_.contains(fmt::format("{}.{}", name, c)); ++c)
      text +=
          fmt::format("{}{}", c == 0 ? "" : ", ", inputs_.at(fmt::format("{}.{}", name, c)).get(i));
    return text;
  }

  Program program_;
  std::map<std::string, Tensor> inputs_;
};

Operators operators_on(ScalarType type) {
  Operators result;
  const std::vector<Scalar> values = edge_values(type);
  std::vector<std::vector<Scalar>> singles;
  for (const Scalar value : values) singles.push_back({value});
  for (auto op = UnaryOp::neg; op <= UnaryOp::logical_not; op = UnaryOp(int(op) + 1))
    if (accepts(op, type))
      result.add(std::string(name_of(op)), {type}, singles,
                 [op](const auto& x) { return unary(op, x[0]); });
  for (auto op = BinaryOp::add; op <= BinaryOp::shift_right; op = BinaryOp(int(op) + 1)) {
    if (!accepts(op, type)) continue;
    std::vector<std::vector<Scalar>> pairs;
    for (const Scalar a : values)
      for (const Scalar b : values)
        if (is_float(type) || fold(op, type, a.integer, b.integer)) pairs.push_back({a, b});
    result.add(std::string(name_of(op)), {type, type}, pairs,
               [op](const auto& x) { return binary(op, x[0], x[1]); });
  }
  for (const ScalarType to : kTypes) {
    if (to == type) continue;
    std::vector<std::vector<Scalar>> rows;
    for (const Scalar value : values)
      if (converts(value, type, to)) rows.push_back({value});
    result.add(fmt::format("to_{}", name_of(to)), {type}, rows,
               [to](const auto& x) { return cast(to, x[0]); });
    if (size_of(to) == size_of(type) && size_of(to) >= 4)
      result.add(fmt::format("bits_as_{}", name_of(to)), {type}, singles,
                 [to](const auto& x) { return bit_cast_expr(to, x[0]); });
  }
  std::vector<std::vector<Scalar>> choices;
  for (const Scalar value : values)
    for (const std::int64_t which : {0, 1}) choices.push_back({integer(which), value, values[0]});
  result.add("select", {ScalarType::boolean, type, type}, choices,
             [](const auto& x) { return select(x[0], x[1], x[2]); });
  return result;
}

class Operator : public ::testing::TestWithParam<ScalarType> {};

TEST_P(Operator, has_one_meaning_in_machine_code_and_interpreter) {
  const Operators operators = operators_on(GetParam());
  for (const Target& target : targets_of_this_machine())
    EXPECT_EQ(operators.difference(target), "") << target.name;
}

INSTANTIATE_TEST_SUITE_P(Types, Operator, ::testing::ValuesIn(kTypes),
                         [](const auto& each) { return std::string(name_of(each.param)); });

}  // namespace
}  // namespace cnnc::testing
