// A compiled program is called often: each call computes what the program says of the inputs and
// states that are there, whatever earlier calls left in memory.
#include <gtest/gtest.h>

#include <array>

#include "frontend/model.h"
#include "runtime/inspect/inspect.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kRows = 19;

struct Network {
  std::string name, text;
};
void PrintTo(const Network& network, std::ostream* stream) { *stream << network.name; }

/// Networks of which some part depends on weights alone, early or late.
class RepeatedCalls : public ::testing::TestWithParam<Network> {};

void give(Executable& executable, const Tensors& inputs, Memory memory, const Program& program) {
  for (const Buffer& buffer : program.buffers)
    if (!buffer.view_of && buffer.memory == memory)
      std::memcpy(executable.tensor(buffer.name).bytes.data(),
                  inputs.at(buffer.name).bytes().data(), inputs.at(buffer.name).bytes().size());
}

TEST_P(RepeatedCalls, compute_what_the_program_says_of_their_own_inputs) {
  const Language language = Language::standard();
  const Model model = parse_model({"m.model", GetParam().text}, language);
  const Graph graph = build_graph(model, language, Mode::infer, kRows, ScalarType::f32).graph;
  // With passes left out, more of what is between kernels lies in the arena.
  for (const std::vector<std::string>& skip :
       {std::vector<std::string>{}, {"privatize"}, {"fuse"}, {"fold_batch_norm"}, {"run_once"}}) {
    const CompileOptions options{.target = host_target(), .skip = skip};
    const Program program = std::get<Program>(run_pipeline(graph, options));
    Executable executable = compile(graph, options);
    ThreadPool pool(2);
    // Weights change now and then, images all the time.
    for (const std::uint64_t weights : {1, 2, 1}) {
      Tensors inputs = inputs_for(program, kRows, kRows, Values::real, weights);
      give(executable, inputs, Memory::state, program);
      for (const std::uint64_t images : {3, 4, 3}) {
        const std::int64_t count = kRows - static_cast<std::int64_t>(images % 3);
        for (auto& [name, tensor] : inputs_for(program, kRows, count, Values::real, images))
          if (program.buffer(*program.find(name)).memory == Memory::input)
            inputs.insert_or_assign(name, tensor);
        give(executable, inputs, Memory::input, program);
        executable.run(count, pool);
        const Tensors expected = run(program, inputs, kRows, count);
        Tensors got;
        for (const Buffer& buffer : program.buffers)
          if (!buffer.view_of && buffer.memory == Memory::output)
            got.emplace(buffer.name,
                        first_rows(read_tensor(executable, buffer.name), kRows, count));
        ASSERT_EQ(difference(expected, got, Preserves::bits), "")
            << "weights " << weights << ", images " << images << ", without "
            << (skip.empty() ? "nothing" : skip.front());
      }
    }
  }
}

// Loops that no lowering makes: none of them looks at the number of rows, which is an input.
TEST(RepeatedCallsOfLoops, compute_what_depends_on_inputs_in_each_call) {
  const Program program = std::get<Program>(
      run_passes(parse_program({"chain.loops", R"(program chain {
  count : i64[] input
  x : f32[8] input
  weight : f32[8] state
  scaled : f32[8] arena
  first : f32[8] arena
  second : f32[8] arena
  y : f32[8] output
  kernel scaled {
    for i in 0 .. 8 {
      scaled[i] = weight[i] * 2.0
    }
  }
  kernel first {
    for i in 0 .. 8 {
      first[i] = x[i] + scaled[i]
    }
  }
  kernel second {
    for i in 0 .. 8 {
      second[i] = first[i] * 3.0
    }
  }
  kernel y {
    for i in 0 .. 8 {
      y[i] = second[i] + scaled[i]
    }
  }
}
)"}),
                 std::vector<std::string>{"run_once", "plan_memory"}, host_target()));
  EXPECT_TRUE(program.kernels[0].once);
  Executable executable = machine_code(program, host_target());
  ThreadPool pool(1);
  constexpr std::array<std::uint64_t, 3> seeds{1, 2, 3};
  for (const std::uint64_t seed : seeds) {
    Tensors inputs = inputs_for(program, 1, 1, Values::real, seed);
    inputs.at("weight") = inputs_for(program, 1, 1, Values::real, 7).at("weight");
    const Tensors expected = run(program, inputs, 1, 1);
    if (seed != seeds.front()) inputs.erase("weight");  // what is given anew runs all again
    EXPECT_EQ(difference(expected, run(executable, inputs, expected, 1, 1, pool), Preserves::bits),
              "")
        << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, RepeatedCalls,
                         ::testing::Values(Network{"convolutions", R"(model m {
          input(6x5x3) -> conv(7, 3x3, pad=1) -> batch_norm -> relu -> maxpool(2x2)
            -> conv(9, 2x2, bias=false) -> batch_norm -> relu -> flatten -> dense(5) -> softmax })"},
                                           Network{"dense", R"(model m {
          input(4x4x2) -> flatten -> dense(33) -> batch_norm -> relu -> dense(40, bias=false)
            -> batch_norm -> relu -> dense(17) -> batch_norm -> dense(3) -> softmax })"},
                                           Network{"branches", R"(model m {
          a = input(5x5x4) -> conv(8, 3x3, pad=1) -> batch_norm -> relu
          a -> conv(8, 3x3, pad=1, groups=8) -> batch_norm -> add(a) -> avgpool(5x5)
            -> flatten -> dense(20) -> batch_norm -> dense(4) -> softmax })"}),
                         [](const auto& network) { return network.param.name; });

}  // namespace
}  // namespace cnnc::testing
