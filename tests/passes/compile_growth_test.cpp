// Compile time grows with the network, not with its square: four times the depth takes every pass
// less than six times the work. Work is memory that the pass asks for, which is the same in every
// run; copies of statements, expressions and tables are what a pass spends its time on. What is
// left of the growth, LLVM's, is held by the number of functions that it is given.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>

#include "codegen/code_units.h"
#include "frontend/model.h"
#include "runtime/compile.h"

namespace {

// Work so far in this process. Tests of a binary run one after the other.
std::size_t work_done = 0;

// An allocation and what it takes to fill it, a line of cache at a time.
void* allocate(std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  work_done += 1 + bytes / kLine;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace cnnc {
namespace {

constexpr int kShallow = 8, kDeep = 4 * kShallow;
constexpr double kMostGrowth = 6;
/// What a pass may do for any network: below this, growth says nothing.
constexpr std::size_t kFewest = 2000;

/// Functions that the second half of a chain may have for itself: where memory was short, some
/// blocks keep what others make again.
constexpr int kMostOwnFunctions = 4;

/// A chain of equal blocks between a beginning and an end.
struct Chain {
  std::string name, block, input;
  int own_functions = 0;  // of each block: a dropout's random numbers are its own
};

void PrintTo(const Chain& chain, std::ostream* out) { *out << chain.name; }

// As many kinds of blocks as passes tell apart.
const std::vector<Chain>& chains() {
  static const std::vector<Chain> all = {
      {"plain", "conv(16, 3x3, pad=1)", "input(32x32x16)"},
      {"narrow", "conv(3, 3x3, pad=1) -> relu", "input(32x32x3)"},
      {"residual",
       "conv(16, 3x3, pad=1) -> batch_norm -> relu -> conv(16, 3x3, pad=1) -> batch_norm "
       "-> add(input) -> relu",
       "input(32x32x16)"},
      {"depthwise",
       "conv(32, 3x3, pad=1, groups=32) -> batch_norm -> relu -> conv(32, 1x1) -> batch_norm "
       "-> relu",
       "input(16x16x32)"},
      {"dense", "dense(64) -> relu -> dropout(0.1)", "input(8x8x1) -> flatten", 2},
      {"matrices", "dense(600) -> relu", "input(20x30x1) -> flatten"},
      {"pooled", "conv(8, 3x3, pad=1) -> relu -> maxpool(3x3, stride=1, pad=1)", "input(24x24x8)"},
      {"strided",
       "conv(6, 5x5, pad=20, stride=2) -> relu",  // 37x37 stays as large
       "input(37x37x6)"},
  };
  return all;
}

std::string text_of(const Chain& chain, int depth) {
  std::string text =
      fmt::format("block link() {{ input -> {} }}\nmodel deep {{ {}", chain.block, chain.input);
  for (int i = 0; i < depth; ++i) text += "\n-> link()";
  return text + R"(
    -> flatten -> dense(10) -> softmax }
    train { data = mnist loss = cross_entropy batch = 32 epochs = 1
            optimizer = sgd(lr=0.1, momentum=0.9) })";
}

Graph graph_of(const Chain& chain, int depth, Mode mode) {
  const Language language = Language::standard();
  const Model model = parse_model({chain.name, text_of(chain, depth)}, language);
  return build_graph(model, language, mode, 32, ScalarType::f32).graph;
}

CompileOptions options() { return {.target = *named_target("x86-64-v3")}; }

Program program_of(const Chain& chain, int depth, Mode mode) {
  return std::get<Program>(run_pipeline(graph_of(chain, depth, mode), options()));
}

/// The work of every pass, by its name.
std::map<std::string, std::size_t> work_of(const Chain& chain, int depth, Mode mode) {
  const Graph graph = graph_of(chain, depth, mode);
  std::map<std::string, std::size_t> result;
  std::size_t before = work_done;
  run_pipeline(graph, options(), [&](std::string_view pass, const Ir&, auto) {
    const std::size_t work = work_done - before;
    result[std::string(pass)] = work;
    before = work_done;
    return true;
  });
  return result;
}

class CompileGrowth : public ::testing::TestWithParam<Chain> {};

TEST_P(CompileGrowth, four_times_the_depth_is_less_than_six_times_the_work_in_every_pass) {
  for (const Mode mode : {Mode::train, Mode::infer}) {
    const auto shallow = work_of(GetParam(), kShallow, mode);
    const auto deep = work_of(GetParam(), kDeep, mode);
    for (const auto& [pass, work] : deep) {
      const std::size_t least = std::max(shallow.at(pass), kFewest);
      const double growth = static_cast<double>(work) / static_cast<double>(least);
      EXPECT_LT(growth, kMostGrowth)
          << pass << (mode == Mode::train ? ", training" : ", inference") << ": "
          << shallow.at(pass) << " for " << kShallow << " blocks, " << work << " for " << kDeep;
      if (std::getenv("CNNC_SHOW_GROWTH"))
        fmt::print("{:<18} {:>10} {:>10} {:>6.2f}\n", pass, shallow.at(pass), work, growth);
    }
  }
}

TEST_P(CompileGrowth, equal_blocks_are_the_same_functions_however_many_they_are) {
  for (const Mode mode : {Mode::train, Mode::infer}) {
    const auto functions = [&](int depth) {
      const auto units = code_units(program_of(GetParam(), depth, mode), true);
      return std::ranges::count(units, false, &CodeUnit::is_repeated);
    };
    const auto few = functions(kDeep / 2), many = functions(kDeep);
    EXPECT_LE(many, few + kMostOwnFunctions + kDeep / 2 * GetParam().own_functions)
        << (mode == Mode::train ? "training" : "inference");
  }
}

INSTANTIATE_TEST_SUITE_P(Chains, CompileGrowth, ::testing::ValuesIn(chains()),
                         [](const auto& chain) { return chain.param.name; });

}  // namespace
}  // namespace cnnc
