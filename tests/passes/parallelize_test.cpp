// Loops of every length come out of parallelize with each iteration once.
#include <gtest/gtest.h>

#include "passes/analysis/nest.h"
#include "passes/finish/parallelize.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

/// y[i, j] = x[i, j] * 2 + y0[i], enough of it to be handed to several threads.
Program rows_of(std::int64_t length) {
  const std::int64_t width = 80000 / length + 1;
  return parse_program({"rows", fmt::format(R"(program rows {{
  x : f32[{0},{1}] input
  base : f32[{0}] input
  y : f32[{0},{1}] output
  kernel rows {{
    for i in 0 .. {0} {{
      for j in 0 .. {1} {{
        y[i, j] = x[i, j] * 2.0 + base[i]
      }}
    }}
  }}
}})",
                                            length, width)});
}

class Length : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(Length, of_a_parallel_loop_is_kept) {
  const Program program = rows_of(GetParam());
  const Program parallel = parallelize(program, host_target());
  verify(parallel, "parallelize");
  EXPECT_EQ(parallel.kernels[0].body[0].as<For>()->kind, LoopKind::parallel);
  const Tensors inputs = inputs_for(program, 1, 1, Values::real, 3);
  const Tensors expected = run(program, inputs, 1, 1);
  EXPECT_EQ(difference(expected, run(parallel, inputs, 1, 1), Preserves::bits), "");
  EXPECT_EQ(difference(expected, run(backwards(parallel), inputs, 1, 1), Preserves::bits), "")
      << "tasks from the last to the first";
}

// Around the number of tasks and its multiples, and what divides into none.
INSTANTIATE_TEST_SUITE_P(Loops, Length,
                         ::testing::Values(2, 3, 7, 31, 63, 64, 65, 66, 127, 128, 129, 191, 193,
                                           500, 1001));

/// y[i + 1, j] = x[i, j] + y[other, j]: iterations meet where `other` is not i + 1.
Program chain(const std::string& other) {
  return parse_program({"chain", fmt::format(R"(program chain {{
  x : f32[40,2000] input
  y : f32[41,2000] output
  kernel clear {{
    for i in 0 .. 41 {{
      for j in 0 .. 2000 {{
        y[i, j] = f32(i)
      }}
    }}
  }}
  kernel chain {{
    for i in 0 .. 40 {{
      for j in 0 .. 2000 {{
        y[i + 1, j] = x[i, j] + y[{}, j]
      }}
    }}
  }}
}})",
                                             other)});
}

TEST(parallel_loop, is_only_what_keeps_to_its_own_rows) {
  const auto kind = [](const Program& program) {
    return parallelize(program, host_target()).kernels[1].body[0].as<For>()->kind;
  };
  EXPECT_EQ(kind(chain("i + 1")), LoopKind::parallel);
  for (const char* other : {"i", "40 - i", "0", "i / 2", "min(i + 2, 40)", "i % 3"}) {
    EXPECT_EQ(kind(chain(other)), LoopKind::serial) << other;
    const Program program = chain(other);
    const Tensors inputs = inputs_for(program, 1, 1, Values::real, 3);
    EXPECT_EQ(difference(run(program, inputs, 1, 1),
                         run(backwards(parallelize(program, host_target())), inputs, 1, 1),
                         Preserves::bits),
              "")
        << other;
  }
}

}  // namespace
}  // namespace cnnc::testing
