// Loops of every kind in machine code: from where they begin to where they end, wherever that is.
#include <gtest/gtest.h>

#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

class LoopKindTest : public ::testing::TestWithParam<std::string> {};

/// Every iteration leaves its number where it was.
TEST_P(LoopKindTest, runs_from_its_begin_to_its_end) {
  const std::string inner = GetParam() == "parallel" ? "" : GetParam();
  const std::string text = fmt::format(R"(program ranges {{
  count : i64[] input
  x : f32[9,12] input
  constant : f32[12] output
  from_count : f32[12] output
  moving : f32[9,12] output
  empty : f32[12] output
  kernel constant {{
    {0} for i in 3 .. 8 {{
      constant[i] = x[0, i] + f32(i)
    }}
  }}
  kernel from_count {{
    {0} for i in count[] .. count[] + 3 {{
      from_count[i] = x[1, i] + f32(i)
    }}
  }}
  kernel moving {{
    for n in 1 .. 5 {{
      {1} for i in n .. n + 3 {{
        moving[n, i] = x[n, i] + f32(i)
      }}
    }}
  }}
  kernel empty {{
    {0} for i in 4 .. 4 {{
      empty[i] = 1.0
    }}
  }}
}})",
                                       GetParam(), inner);
  const Program program = parse_program({"ranges.loops", text});
  const Tensors inputs = inputs_for(program, 1, 1, Values::real, 5);
  const Tensors expected = run(program, inputs, 1, 1);
  Executable executable = machine_code(program, host_target());
  ThreadPool pool(2);
  EXPECT_EQ(difference(expected, run(executable, inputs, expected, 1, 1, pool), Preserves::bits),
            "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, LoopKindTest, ::testing::Values("", "unroll", "vector", "parallel"),
                         [](const auto& kind) {
                           return kind.param.empty() ? std::string("serial") : kind.param;
                         });

}  // namespace
}  // namespace cnnc::testing
