// Reads the assembly of the heavy kernels: their innermost loops keep every accumulator in a
// register.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "frontend/model.h"
#include "ir/graph/graph.h"
#include "runtime/compile.h"
#include "runtime/inspect/inspect.h"

namespace cnnc {
namespace {

/// A basic block that jumps back to its own label.
struct Loop {
  std::vector<std::string> instructions;

  std::size_t count(const std::string& pattern) const {
    const std::regex regex(pattern);
    return static_cast<std::size_t>(
        std::count_if(instructions.begin(), instructions.end(),
                      [&](const std::string& line) { return std::regex_search(line, regex); }));
  }
};

std::vector<Loop> innermost_loops(const std::string& assembly) {
  std::vector<Loop> loops;
  std::istringstream lines(assembly);
  std::string line, label;
  Loop block;
  const std::regex jump(R"(^\s+j[a-z]+\s+(\S+))"), head(R"(^([.\w]+):)");
  for (std::smatch match; std::getline(lines, line);) {
    if (std::regex_search(line, match, head)) {
      label = match[1];
      block = {};
    } else if (std::regex_search(line, match, jump)) {
      if (match[1] == label) loops.push_back(block);
      block = {};
      label.clear();
    } else if (line.starts_with("\t") && !line.starts_with("\t.") && !line.starts_with("\t#")) {
      block.instructions.push_back(line);
    }
  }
  return loops;
}

const char* const kMultiplyAdd = R"((vfmadd\S+\s.*[yz]mm|^\s+addps\s.*xmm))";
const char* const kStore =
    R"(^\s+v?mov[a-z0-9]*\s+%[xyz]mm\d+, [^%])";  // AT&T: the destination comes last
const char* const kStackAccess = R"(\(%rsp)";

/// Loops over a tile: they do little else than multiply and add. Where those are two instructions,
/// which overwrite an operand each, copies come with them.
std::vector<Loop> hot_loops(const std::string& assembly) {
  std::vector<Loop> hot;
  for (Loop& loop : innermost_loops(assembly))
    if (const auto sums = loop.count(kMultiplyAdd);
        sums >= 8 && 4 * sums >= loop.instructions.size())
      hot.push_back(std::move(loop));
  return hot;
}

void expect_accumulators_in_registers(const std::vector<Loop>& loops) {
  for (const Loop& loop : loops) {
    std::string text;
    for (const std::string& line : loop.instructions) text += line + "\n";
    EXPECT_EQ(loop.count(kStore), 0u) << "an accumulator is stored in\n" << text;
    EXPECT_EQ(loop.count(kStackAccess), 0u) << "an accumulator lives on the stack in\n" << text;
  }
}

std::vector<Target> targets() {
  std::vector<Target> all;
  for (const char* name : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    all.push_back(*named_target(name));
  return all;
}

/// One of conv2's three kernels, alone: 14x14x32 to 14x14x64, 3x3, a batch of 128.
Graph conv2_kernel(const std::string& op) {
  Builder builder(OpTable::standard(), op, 128);
  const auto input = [&](const char* name, Dims dims) {
    return builder.input(name, "data", {ScalarType::f32, std::move(dims)});
  };
  Attributes attributes{{"stride", Dims{1, 1}},
                        {"pad", Dims{1, 1, 1, 1}},
                        {"dilation", Dims{1, 1}},
                        {"groups", std::int64_t{1}}};
  std::vector<Value> operands;
  if (op != "conv2d_input_gradient") operands.push_back(input("x", {kBatch, 14, 14, 32}));
  if (op != "conv2d") operands.push_back(input("dy", {kBatch, 14, 14, 64}));
  if (op != "conv2d_weight_gradient") operands.push_back(input("w", {3, 3, 32, 64}));
  if (op == "conv2d_input_gradient") attributes.set("input", Dims{14, 14, 32});
  if (op == "conv2d_weight_gradient") attributes.set("kernel", Dims{3, 3});
  builder.output("result", builder.op(op, operands, attributes));
  return std::move(builder).build();
}

class Conv2 : public testing::TestWithParam<const char*> {};

TEST_P(Conv2, keeps_its_accumulators_in_registers) {
  for (const Target& target : targets()) {
    SCOPED_TRACE(target.name);
    CompileOptions options;
    options.target = target;
    const auto loops = hot_loops(emit(conv2_kernel(GetParam()), "assembly", "", options));
    ASSERT_FALSE(loops.empty()) << "no innermost loop multiplies and adds a tile";
    expect_accumulators_in_registers(loops);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Conv2,
                         testing::Values("conv2d", "conv2d_input_gradient",
                                         "conv2d_weight_gradient"),
                         [](const auto& each) { return std::string(each.param); });

/// Whether the loop adds to memory at a place that the data gives, as the input gradient behind a
/// pool does: it stores every sum, and nothing else.
bool adds_to_memory(const Loop& loop) { return loop.count(kStore) == loop.count(kMultiplyAdd); }

TEST(RegisterTile, every_hot_loop_of_the_training_step_keeps_its_accumulators_in_registers) {
  std::ifstream file(CNNC_SOURCE_DIR "/examples/mnist.model");
  std::stringstream text;
  text << file.rdbuf();
  const Language language = Language::standard();
  const Model model = parse_model({"mnist.model", text.str()}, language);
  const ModelGraph step = build_graph(model, language, Mode::train, 128, ScalarType::f32);
  for (const Target& target : targets()) {
    SCOPED_TRACE(target.name);
    CompileOptions options;
    options.target = target;
    auto loops = hot_loops(emit(step.graph, "assembly", "", options));
    EXPECT_LE(std::erase_if(loops, adds_to_memory), 1u) << "conv2's input gradient";
    EXPECT_GE(loops.size(), 5u) << "conv2 and dense1, forward and the other gradients";
    expect_accumulators_in_registers(loops);
  }
}

TEST(RegisterTile, a_loop_that_spills_is_noticed) {
  const auto loops = hot_loops(".L1:\n" + std::string("\tvfmadd231ps\t%zmm0, %zmm1, %zmm2\n") + [] {
    std::string more;
    for (int i = 0; i < 8; ++i) more += "\tvfmadd231ps\t(%rax), %zmm1, %zmm3\n";
    return more;
  }() + "\tvmovups\t%zmm2, 64(%rsp)\n\tjne\t.L1\n");
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].count(kStore), 1u);
  EXPECT_EQ(loops[0].count(kStackAccess), 1u);
}

}  // namespace
}  // namespace cnnc
