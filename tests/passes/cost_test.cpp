// What the cost model reads off loops, against counts made by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "codegen/host.h"
#include "frontend/model.h"
#include "ir/language/layer.h"
#include "ir/loop/integer_range.h"
#include "passes/cost/kernel_cost.h"
#include "runtime/compile.h"
#include "runtime/inspect/machine_peak.h"
#include "runtime/inspect/summary.h"

namespace cnnc::testing {
namespace {

const Target kTarget = *named_target("x86-64-v3");

Program program_of(const std::string& text) { return parse_program({"test", text}); }

KernelCost cost_of_text(const std::string& text, std::int64_t count = 1, int threads = 1) {
  const Program program = program_of(text);
  return cost_of(program, program.kernels.front(), count, threads, kTarget);
}

ModelGraph small_network(std::int64_t batch) {
  const Language language = Language::standard();
  const Model model =
      parse_model({"small",
                   "model small { input(9x9x3) -> conv(16, 3x3, pad=1) -> relu -> maxpool(3x3)"
                   " -> flatten -> dense(8) }"},
                  language);
  return build_graph(model, language, Mode::infer, batch, ScalarType::f32);
}

TEST(Cost, a_matrix_product_costs_two_flop_a_term_and_touches_each_byte_once) {
  const KernelCost cost = cost_of_text(R"(program p {
  a : f32[10,20] input
  b : f32[20,30] input
  c : f32[10,30] arena
  kernel product {
    for i in 0 .. 10 {
      for j in 0 .. 30 {
        c[i, j] = 0.0
        for k in 0 .. 20 {
          c[i, j] += a[i, k] * b[k, j]
        }
      }
    }
  }
}
)");
  EXPECT_EQ(cost.work.flops, 2 * 10 * 20 * 30);
  EXPECT_EQ(cost.read_bytes, 4 * (10 * 20 + 20 * 30 + 10 * 30));
  EXPECT_EQ(cost.written_bytes, 4 * 10 * 30);
  EXPECT_TRUE(cost.exact);
}

TEST(Cost, counts_the_rows_of_the_call_not_those_of_the_buffer) {
  for (const std::int64_t count : {1, 16, 17, 40}) {
    const KernelCost cost = cost_of_text(R"(program p batch=48 group=16 {
  x : f32[48,10] input
  count : i64[] input
  y : f32[48,10] output
  kernel double {
    for g in groups {
      for n in samples of g {
        for i in 0 .. 10 {
          y[n, i] = x[n, i] * 2.0
        }
      }
    }
  }
}
)",
                                         count);
    EXPECT_EQ(cost.work.flops, count * 10) << count;
    EXPECT_EQ(cost.written_bytes, count * 40) << count;
    EXPECT_EQ(cost.read_bytes, count * 40) << count;
  }
}

TEST(Cost, a_length_that_depends_on_data_is_not_exact) {
  EXPECT_FALSE(cost_of_text(R"(program p {
  n : i64[4] input
  y : f32[100] output
  kernel some {
    for i in 0 .. n[0] {
      y[i] = 1.0
    }
  }
}
)")
                   .exact);
}

TEST(Cost, threads_share_the_cycles_of_a_parallel_loop) {
  const std::string text = R"(program p {
  y : f32[4,100000] output
  kernel fill {
    parallel for t in 0 .. 4 {
      for i in 0 .. 100000 {
        y[t, i] = 1.0
      }
    }
  }
}
)";
  const double one = cost_of_text(text, 1, 1).elapsed_cycles;
  EXPECT_NEAR(cost_of_text(text, 1, 2).elapsed_cycles / one, 0.5, 0.02);
  EXPECT_NEAR(cost_of_text(text, 1, 3).elapsed_cycles / one, 0.5,
              0.02);  // two rounds of four tasks
  EXPECT_NEAR(cost_of_text(text, 1, 4).elapsed_cycles / one, 0.25, 0.02);
}

TEST(Cost, sums_in_registers_belong_to_the_memory_that_takes_them) {
  const Program program = program_of(R"(program p {
  x : f32[10,8] input
  dense1.sum : f32[8] arena
  kernel reduce serves dense1 {
    alloc sum : f32[8] register
    for i in 0 .. 10 {
      vector for l in 0 .. 8 {
        sum[l] += x[i, l]
      }
    }
    vector for l in 0 .. 8 {
      dense1.sum[l] = sum[l]
    }
  }
}
)");
  const Kernel& kernel = program.kernels.front();
  const KernelCost cost = cost_of(program, kernel, 1, 1, kTarget);
  const auto rows = by_layer(program, kernel, cost);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].first, "dense1");
  EXPECT_EQ(rows[0].second.flops, 80);
}

TEST(Cost, parts_by_result_and_by_layer_are_all_of_a_kernel) {
  for (const auto& skip :
       {std::vector<std::string>{}, {"fuse"}, {"register_tile"}, {"vectorize"}}) {
    const Graph graph = small_network(20).graph;
    const auto ir = ir_at(graph, "loops", {.target = kTarget, .skip = skip});
    const auto& program = std::get<Program>(ir);
    for (const Kernel& kernel : program.kernels) {
      const KernelCost cost = cost_of(program, kernel, 20, 1, kTarget);
      Work results, layers;
      for (const auto& [buffer, work] : cost.by_result) {
        EXPECT_NE(program.buffer(buffer).memory, Memory::reg) << kernel.name;
        results.cycles += work.cycles, results.flops += work.flops;
      }
      for (const auto& [layer, work] : by_layer(program, kernel, cost))
        layers.cycles += work.cycles, layers.flops += work.flops;
      for (const Work& sum : {results, layers}) {
        EXPECT_NEAR(sum.cycles, cost.work.cycles, 1e-9 * cost.work.cycles) << kernel.name;
        EXPECT_NEAR(sum.flops, cost.work.flops, 1e-9 * cost.work.flops) << kernel.name;
      }
    }
  }
}

TEST(Cost, what_is_named_after_no_layer_belongs_to_the_layer_that_has_nothing_else) {
  const Program program = program_of(R"(program p {
  x : f32[10] input
  dense1.y : f32[10] arena
  output : f32[10] output
  kernel both serves dense1, softmax1 {
    for i in 0 .. 10 {
      dense1.y[i] = x[i] + 1.0
      output[i] = dense1.y[i] * 2.0 + 3.0
    }
  }
}
)");
  const Kernel& kernel = program.kernels.front();
  const auto rows = by_layer(program, kernel, cost_of(program, kernel, 1, 1, kTarget));
  EXPECT_EQ(rows[0].second.flops, 10);
  EXPECT_EQ(rows[1].second.flops, 20);
}

TEST(Cost, what_a_let_computes_counts_for_the_statement_after_it) {
  const Program program = program_of(R"(program p {
  x : f32[10,8] input
  dense1.y : f32[10,8] arena
  relu1.y : f32[10,8] arena
  kernel both serves dense1, relu1 {
    for i in 0 .. 10 {
      dense1.y[i, 0] = x[i, 0] + 1.0
      let a : f32 = x[i, 1] * x[i, 2] + x[i, 3]
      relu1.y[i, 0] = a * a
    }
  }
}
)");
  const Kernel& kernel = program.kernels.front();
  const KernelCost cost = cost_of(program, kernel, 1, 1, kTarget);
  EXPECT_EQ(cost.work.flops, 40);
  EXPECT_EQ(cost.read_bytes, 4 * 10 * 4);
  const auto rows = by_layer(program, kernel, cost);
  EXPECT_EQ(rows[0].second.flops, 10);
  EXPECT_EQ(rows[1].second.flops, 30);
}

/// Whatever the schedule, the multiply-adds stay; what else there is, is little.
class CostOfSchedule : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(CostOfSchedule, keeps_the_flops_of_the_graph) {
  for (const std::int64_t batch : {1, 20}) {
    const Graph graph = small_network(batch).graph;
    const auto ir = ir_at(graph, "loops", {.target = kTarget, .skip = GetParam()});
    const auto& program = std::get<Program>(ir);
    double flops = 0;
    for (const Kernel& kernel : program.kernels)
      flops += cost_of(program, kernel, batch, 1, kTarget).work.flops;
    const auto dense = static_cast<double>(graph_flops(graph) * batch);
    EXPECT_GE(flops, dense);
    EXPECT_LE(flops, 1.1 * dense);
  }
}

INSTANTIATE_TEST_SUITE_P(
    skipping, CostOfSchedule,
    ::testing::Values(std::vector<std::string>{}, std::vector<std::string>{"fuse"},
                      std::vector<std::string>{"fuse", "register_tile", "vectorize"},
                      std::vector<std::string>{"contract_fma", "unroll"}));

TEST(Cost, the_peak_program_is_predicted_to_reach_the_peak) {
  for (const char* name : {"x86-64", "x86-64-v3", "x86-64-v4"}) {
    const Target target = *named_target(name);
    for (const ScalarType type : {ScalarType::f32, ScalarType::f64}) {
      const Program program = fma_peak_program(target, type, 4, 1000);
      const KernelCost cost = cost_of(program, program.kernels.front(), 1, 1, target);
      EXPECT_EQ(cost.work.flops, fma_peak_flops(target, type, 4, 1000)) << name;
      EXPECT_GT(cost.work.flops / cost.work.cycles, 0.9 * peak_flops_per_cycle(target, type));
      EXPECT_LE(cost.work.flops / cost.work.cycles, peak_flops_per_cycle(target, type));
    }
  }
}

TEST(Cost, the_streaming_program_moves_its_buffers_once) {
  const Program program = streaming_program(kTarget, 1 << 20, 4);
  const KernelCost cost = cost_of(program, program.kernels.front(), 1, 1, kTarget);
  EXPECT_EQ(cost.read_bytes, 4 << 20);
  EXPECT_EQ(cost.written_bytes, 4 << 20);
}

TEST(IntegerRange, encloses_every_value) {
  Program program;
  RangeContext context;
  context.program = &program;
  const Var x = make_var("x"), y = make_var("y");
  const Expr a(x), b(y);
  const std::vector<Expr> exprs = {a + b,
                                   a - b,
                                   a * b,
                                   min(a, b * 2),
                                   max(a - 3, 0),
                                   (a + 9) / 4,
                                   (a + 9) % 4,
                                   a / (b + 9),
                                   select(a < b, a * 3, b - 1),
                                   cast(ScalarType::i64, a <= b)};
  for (const Expr& expr : exprs) {
    context.variables = {{x, {-3, 5}}, {y, {-2, 4}}};
    const auto all = range_of(expr, context);
    ASSERT_TRUE(all.has_value());
    for (std::int64_t i = -3; i <= 5; ++i)
      for (std::int64_t j = -2; j <= 4; ++j) {
        context.variables = {{x, {i, i}}, {y, {j, j}}};
        const auto one = range_of(expr, context);
        ASSERT_TRUE(one && one->single());
        EXPECT_LE(all->low, one->low);
        EXPECT_GE(all->high, one->high);
      }
  }
}

TEST(IntegerRange, has_no_answer_for_overflow_or_division_by_zero) {
  Program program;
  RangeContext context;
  context.program = &program;
  const Var x = make_var("x");
  context.variables = {{x, {-1, INT64_MAX}}};
  EXPECT_FALSE(range_of(Expr(x) + 1, context));
  EXPECT_FALSE(range_of(Expr(x) * 2, context));
  EXPECT_FALSE(range_of(Expr(7) / Expr(x), context));
}

}  // namespace
}  // namespace cnnc::testing
