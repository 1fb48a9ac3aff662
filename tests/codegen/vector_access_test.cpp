// Loads and stores of vector loops: of any number of lanes, any distance from lane to lane and any
// type, also under a mask, machine code moves what the interpreter does and touches nothing else.
#include <gtest/gtest.h>

#include <array>

#include "tests/guarded_executable.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::array kTypes{ScalarType::f32, ScalarType::f64, ScalarType::i8,  ScalarType::u8,
                            ScalarType::i32, ScalarType::u32, ScalarType::i64, ScalarType::boolean};
// Parts of vectors, whole ones, several; distances around those that are treated apart.
constexpr std::array<std::int64_t, 10> kLanes{1, 2, 3, 4, 5, 7, 8, 11, 16, 19};
constexpr std::array<std::int64_t, 9> kStrides{-9, -2, -1, 1, 2, 3, 7, 8, 9};

/// Texts of the buffers and kernels of a program that moves `lanes` elements in every way.
struct Moves {
  std::string type, buffers, kernels;

  /// `far` is a buffer of elements `stride` apart, which begins or ends with the last one that
  /// `touched` lanes reach; `near` one in which they are neighbours.
  void add(std::int64_t lanes, std::int64_t stride, std::int64_t touched) {
    const std::string name =
        fmt::format("{}{}.{}of{}", stride < 0 ? "back" : "by", std::abs(stride), touched, lanes);
    const std::int64_t span = (touched - 1) * std::abs(stride) + 1;
    // Whole units of 64 elements of any type: the end of the buffer is that of its page.
    const std::int64_t size = (span + 63) / 64 * 64;
    const std::int64_t first = stride > 0 ? size - span : span - 1;
    const std::string far = fmt::format("[{} + v * {}]", first, stride);
    // One mask, and one within it that does not repeat it.
    const bool nested = touched + 3 <= lanes;
    std::string begin, end;
    if (touched < lanes) begin += fmt::format("if v < {} {{\n", touched), end += "}\n";
    if (nested) begin += "if 0 < v {\n", end += "}\n";
    buffers += fmt::format(
        "  {0}.far : {1}[{2}] input\n  {0}.near : {1}[{3}] input\n"
        "  {0}.loaded : {1}[{3}] output\n  {0}.stored : {1}[{2}] output\n",
        name, type, size, touched);
    const auto kernel = [&](const std::string& to, const std::string& from) {
      kernels += fmt::format("  kernel {}.k {{\nvector for v in 0 .. {} {{\n{}{} = {}\n{}}}\n}}\n",
                             to.substr(0, to.find('[')), lanes, begin, to, from, end);
    };
    kernel(name + ".loaded[v]", name + ".far" + far);
    kernel(name + ".stored" + far, name + ".near[v]");
  }
};

Program moves_of(ScalarType type, std::int64_t lanes) {
  Moves moves{std::string(name_of(type)), "  count : i64[] input\n", ""};
  for (const std::int64_t stride : kStrides) {
    moves.add(lanes, stride, lanes);
    if (lanes > 2) moves.add(lanes, stride, lanes - 2);
    if (lanes > 4) moves.add(lanes, stride, lanes - 3);
  }
  return parse_program(
      {"moves", fmt::format("program moves {{\n{}{}}}\n", moves.buffers, moves.kernels)});
}

/// Inputs without a zero, which is what outputs are before; of booleans that would be one value.
Tensors distinct_inputs(const Program& program) {
  Tensors inputs;
  for (const Buffer& buffer : program.buffers) {
    if (buffer.memory != Memory::input) continue;
    Tensor tensor(buffer.type);
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.set(i, buffer.type.scalar == ScalarType::boolean ? double(i * 5 % 7 < 4)
                                                              : double(i % 97 + 1));
    inputs.emplace(buffer.name, std::move(tensor));
  }
  return inputs;
}

/// Neighbours that a vector reads where buffers end 0 to 16 elements later, from an index that is
/// known, that a loop goes through, or that is data, along the last dimension or the one before.
Program ends_after(ScalarType type, std::int64_t lanes) {
  const auto name = name_of(type);
  std::string buffers = "  count : i64[] input\n  one : i64[1] input\n", kernels;
  for (std::int64_t behind = 0; behind <= 16; ++behind) {
    // Whole units of 64 elements of any type: the end of the buffer is that of its page.
    const std::int64_t size = (2 * (lanes + behind) + 63) / 64 * 64, last = size - behind - lanes;
    const std::string by = fmt::format("behind{}", behind);
    buffers += fmt::format("  {0} : {1}[{2}] input\n  {0}.rows : {1}[2,{3}] input\n", by, name,
                           size, size / 2);
    const auto read = [&](std::string_view how, std::string_view from, std::string_view loop) {
      buffers += fmt::format("  {}.{} : {}[2,{}] output\n", by, how, name, lanes);
      kernels += fmt::format(
          "  kernel {0}.{1}.k {{\nfor i in {2} {{\nvector for v in 0 .. {3} {{\n"
          "{0}.{1}[i, v] = {4}\n}}\n}}\n}}\n",
          by, how, loop, lanes, from);
    };
    read("known", fmt::format("{}[{} + v]", by, last), "0 .. 1");
    read("looped", fmt::format("{}[{} + i + v]", by, last - 1), "0 .. 2");
    read("data", fmt::format("{}[{} + one[0] + v]", by, last - 1), "0 .. 1");
    const std::int64_t column = size / 2 - behind - lanes;
    if (column < 0) continue;
    read("first_row", fmt::format("{}.rows[0, {} + v]", by, column), "0 .. 1");
    read("any_row", fmt::format("{}.rows[i, {} + v]", by, column), "0 .. 2");
  }
  return parse_program({"ends", fmt::format("program ends {{\n{}{}}}\n", buffers, kernels)});
}

class VectorAccess : public ::testing::TestWithParam<ScalarType> {};

/// On memory that notices what is touched beside its buffers.
void expect_same_results(const Program& program, const Tensors& inputs, std::int64_t lanes) {
  const Tensors expected = interpret_ir(program, inputs, 1);
  for (const Target& target : targets_of_this_machine()) {
    GuardedExecutable executable(program, target);
    ThreadPool pool(1);
    const Tensors got = run(executable, inputs, expected, 1, 1, pool);
    EXPECT_EQ(difference(expected, got, Preserves::bits), "") << lanes << " lanes, " << target.name;
  }
}

TEST_P(VectorAccess, moves_these_lanes_and_touches_no_others) {
  for (const std::int64_t lanes : kLanes) {
    const Program program = moves_of(GetParam(), lanes);
    expect_same_results(program, distinct_inputs(program), lanes);
  }
}

TEST_P(VectorAccess, reads_nothing_behind_a_buffer) {
  for (const std::int64_t lanes : {3, 5, 7, 11, 19}) {
    const Program program = ends_after(GetParam(), lanes);
    Tensors inputs = distinct_inputs(program);
    inputs.at("one").set(0, 1);
    expect_same_results(program, inputs, lanes);
  }
}

TEST_P(VectorAccess, follows_indices_through_lets_and_across_rows_of_registers) {
  const std::string text = R"(program lets {
  count : i64[] input
  x : TYPE[64] input
  w : i64[64] input
  halves : TYPE[64] output
  doubles : TYPE[64] output
  masked : TYPE[64] output
  rows : TYPE[64] output
  turned : TYPE[64] output
  same : TYPE[64] output
  kernel a {
    vector for v in 0 .. 8 {
      let half : i64 = v / 2
      let twice : i64 = v * 2
      halves[v] = x[half]
      doubles[twice] = x[v + half]
      if v < 5 {
        masked[twice + 1] = x[twice]
      }
    }
  }
  kernel b {
    alloc t : TYPE[4,4] register
    unroll for i in 0 .. 4 {
      unroll for j in 0 .. 4 {
        t[i, j] = x[i * 4 + j]
      }
    }
    vector for v in 0 .. 16 {
      rows[v] = t[v / 4, v % 4]
    }
    vector for v in 0 .. 16 {
      turned[v] = t[v % 4, v / 4]
    }
  }
  kernel c {
    vector for v in 0 .. 4 {
      let n : i64 = 7
      let m : i64 = w[n]
      same[v] = x[m % 8]
    }
  }
}
)";
  const std::string type(name_of(GetParam()));
  std::string typed = text;
  for (std::size_t at = 0; (at = typed.find("TYPE", at)) != typed.npos;) typed.replace(at, 4, type);
  const Program program = parse_program({"lets", typed});
  expect_same_results(program, distinct_inputs(program), 8);
}

INSTANTIATE_TEST_SUITE_P(Types, VectorAccess, ::testing::ValuesIn(kTypes),
                         [](const auto& each) { return std::string(name_of(each.param)); });

}  // namespace
}  // namespace cnnc::testing
