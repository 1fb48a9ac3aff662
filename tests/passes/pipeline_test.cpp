// The compiler against its own interpreters, on networks small enough for them: no pass changes
// results beyond what it states, machine code does what the last program says, and neither a
// missing pass nor the number of threads shows in the bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontend/model.h"
#include "passes/analysis/nest.h"
#include "passes/fuse/route_gradients.h"
#include "runtime/inspect/inspect.h"
#include "tests/guarded_executable.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kRows = 19;  // more than a group, and no dimension of a model

struct Network {
  std::string name, text;
};

const std::vector<Network>& networks() {
  static const std::vector<Network> all = {
      {"classic", R"(model m {
         input(7x6x3) -> conv(5, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten
           -> dense(9) -> relu -> dense(4) -> softmax })"},
      {"depthwise", R"(model m {
         input(9x8x2) -> conv(6, 3x3, stride=2, pad=1) -> conv(12, 3x3, pad=1, groups=6) -> relu
           -> conv(17, 1x1, bias=false) -> avgpool(2x2) -> flatten -> dense(3) -> softmax })"},
      {"residual", R"(model m {
         stem = input(6x5x1) -> conv(4, 3x3, pad=1) -> batch_norm -> relu
         stem -> conv(4, 3x3, pad=1, bias=false) -> batch_norm -> add(stem) -> relu
           -> avgpool(3x5) -> flatten -> dense(5) -> softmax })"},
      {"strided", R"(model m {
         input(11x7x1) -> conv(3, 3x2, stride=2x1, pad=2x1, dilation=2x1) -> relu
           -> maxpool(3x2, stride=2x2, pad=1x0) -> dropout(0.4) -> flatten
           -> dense(33) -> dense(3) -> softmax })"},
      {"groups", R"(model m {
         a = input(5x5x4) -> conv(8, 3x3, groups=2) -> relu
         a -> conv(7, 2x2, pad=1) -> maxpool(2x2, stride=1) -> concat(a) -> maxpool(3x3)
           -> flatten -> dense(10) -> softmax })"},
      {"routed", R"(model m {
         input(4x8x17) -> conv(5, 3x3, pad=1) -> relu -> maxpool(2x4) -> flatten
           -> dense(3) -> softmax })"},
      {"routed_input", R"(model m {
         input(7x9x1) -> conv(17, 3x2, pad=1) -> relu -> conv(5, 3x3, pad=2x1, dilation=1x2)
           -> maxpool(3x2) -> batch_norm -> flatten -> dense(3) -> softmax })"},
  };
  return all;
}

Graph graph_of(const Network& network, Mode mode, ScalarType real) {
  const std::string text = network.text + R"(
    train { data = mnist loss = cross_entropy batch = 19 epochs = 1
            optimizer = sgd(lr=0.1, momentum=0.9, nesterov=true, weight_decay=0.01) })";
  const Language language = Language::standard();
  return build_graph(parse_model({network.name, text}, language), language, mode, kRows, real)
      .graph;
}

struct Case {
  const Network* network;
  Mode mode;
  ScalarType real;
  std::string target;
};

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  std::string target = info.param.target;
  std::ranges::replace(target, '-', '_');
  return fmt::format("{}_{}_{}_{}", info.param.network->name,
                     info.param.mode == Mode::train ? "train" : "infer", name_of(info.param.real),
                     target);
}
void PrintTo(const Case& c, std::ostream* stream) { *stream << c.network->name << " " << c.target; }

constexpr const char* kTargets[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};

constexpr std::string_view kWidest = "x86-64-v4";

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Network& network : networks())
    for (const char* target : kTargets) {
      all.push_back({&network, Mode::train, ScalarType::f32, target});
      if (target == kWidest) {
        if (network.name == "classic" || network.name == "strided")
          all.push_back({&network, Mode::train, ScalarType::f64, target});
        all.push_back({&network, Mode::infer, ScalarType::f32, target});
      }
    }
  return all;
}

bool host_runs(const Target& target) {
  return std::ranges::all_of(required_features(target), host_has);
}

Preserves preserved_by(std::string_view pass) {
  for (const PassInfo& row : list_passes())
    if (row.stage == pass) return row.preserves;
  return Preserves::bits;
}

class EveryPass : public ::testing::TestWithParam<Case> {};

TEST_P(EveryPass, keeps_the_results_that_it_says_it_keeps) {
  const auto& [network, mode, real, target] = GetParam();
  const Graph graph = graph_of(*network, mode, real);
  const CompileOptions options{.target = *named_target(target), .verify_each = true};
  const Program lowered = std::get<Program>(ir_at(graph, "lower", options));
  struct Input {
    Values values;
    std::int64_t count;
    Tensors tensors, results;
  };
  std::vector<Input> inputs;
  for (const auto& [values, count] : {std::pair{Values::real, kRows},
                                      {Values::whole, std::int64_t{7}},
                                      {Values::special, std::int64_t{17}}})
    inputs.push_back({values, count, inputs_for(lowered, kRows, count, values, 1), {}});

  // Ahead of tile no pass looks at the target: one of them will do.
  bool reached = target == kWidest;
  std::string text;
  run_pipeline(graph, options, [&](std::string_view pass, const Ir& ir, auto) {
    reached |= pass == "privatize";
    if (!reached || print(ir) == text) return true;
    text = print(ir);
    for (Input& input : inputs) {
      // What passes over graphs may make more exact is another infinity or NaN, too.
      if (input.values != Values::real && std::holds_alternative<Graph>(ir)) continue;
      Tensors results = run(backwards(ir), input.tensors, kRows, input.count);
      if (!input.results.empty()) {
        EXPECT_EQ(difference(input.results, results, preserved_by(pass)), "")
            << "after " << pass << ", inputs " << static_cast<int>(input.values);
      }
      input.results = std::move(results);
    }
    if (pass == "parallelize") {
      for (const Kernel& kernel : std::get<Program>(ir).kernels)
        if (const For* groups = group_loop(kernel)) {
          EXPECT_EQ(groups->kind, LoopKind::parallel) << kernel.name;
        }
    }
    return !::testing::Test::HasFailure();
  });
}

INSTANTIATE_TEST_SUITE_P(Networks, EveryPass, ::testing::ValuesIn(cases()), name_of_case);

class MachineCode : public ::testing::TestWithParam<Case> {};

TEST_P(MachineCode, does_what_the_last_program_says_on_any_number_of_threads) {
  const auto& [network, mode, real, target] = GetParam();
  const Graph graph = graph_of(*network, mode, real);
  const CompileOptions options{.target = *named_target(target)};
  if (!host_runs(options.target)) GTEST_SKIP() << "this machine cannot run code for " << target;
  const Program program = std::get<Program>(run_pipeline(graph, options));
  Executable executable = compile(graph, options);
  int threads = 0;
  for (const auto& [values, count] : {std::pair{Values::real, kRows},
                                      {Values::whole, std::int64_t{7}},
                                      {Values::special, std::int64_t{17}},
                                      {Values::real, std::int64_t{1}}}) {
    const Tensors inputs = inputs_for(program, kRows, count, values, 2);
    const Tensors expected = run(program, inputs, kRows, count);
    for (const int pool_size :
         {std::array{1, 2, 3, 7}[static_cast<std::size_t>(threads++ % 4)], 2}) {
      ThreadPool pool(pool_size);
      EXPECT_EQ(difference(expected, run(executable, inputs, expected, kRows, count, pool),
                           Preserves::bits),
                "")
          << count << " rows, " << pool_size << " threads, inputs " << static_cast<int>(values);
    }
  }
}

/// The same code on memory with forbidden pages: every buffer apart, and as planned with every
/// index checked. (Checks take LLVM long: two targets will do.)
TEST_P(MachineCode, touches_only_its_buffers) {
  const auto& [network, mode, real, target] = GetParam();
  const CompileOptions options{.target = *named_target(target)};
  if (!host_runs(options.target)) GTEST_SKIP() << "this machine cannot run code for " << target;
  const Program program = std::get<Program>(run_pipeline(graph_of(*network, mode, real), options));
  GuardedExecutable apart(spread_out(program), options.target);
  std::vector<GuardedExecutable*> executables{&apart};
  std::optional<GuardedExecutable> checked;
  if (target == "x86-64-v3" || target == kWidest)
    executables.push_back(&checked.emplace(program, options.target,
                                           EmitOptions{.check_bounds = true, .quick = true}));
  ThreadPool pool(3);
  for (const std::int64_t count : {kRows, std::int64_t{7}, std::int64_t{1}}) {
    const Tensors inputs = inputs_for(program, kRows, count, Values::special, 3);
    const Tensors expected = run(program, inputs, kRows, count);
    for (GuardedExecutable* executable : executables)
      EXPECT_EQ(difference(expected, run(*executable, inputs, expected, kRows, count, pool),
                           Preserves::bits),
                "")
          << count << " rows";
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, MachineCode, ::testing::ValuesIn(cases()), name_of_case);

class WithoutAPass : public ::testing::TestWithParam<const Network*> {};

/// What compile() makes of a graph when passes are left out.
Tensors results_without(const std::vector<std::string>& skip, const Graph& graph,
                        const Tensors& inputs, const Tensors& names) {
  Executable executable = compile(graph, {.target = host_target(), .skip = skip});
  ThreadPool pool(2);
  return run(executable, inputs, names, kRows, kRows - 2, pool);
}

// What fusion joins, contract_fma contracts further: with it, they are compared within a bound. By
// itself fusion keeps the bits of all networks but those whose pooled gradients it routes.
TEST_P(WithoutAPass, machine_code_gives_the_same_results) {
  const Graph graph = graph_of(*GetParam(), Mode::train, ScalarType::f32);
  const Program program = std::get<Program>(ir_at(graph, "lower", {.target = host_target()}));
  const Tensors inputs = inputs_for(program, kRows, kRows - 2, Values::real, 3);
  const Tensors names = run(program, inputs, kRows, kRows);
  const Tensors complete = results_without({}, graph, inputs, names);
  const Tensors uncontracted = results_without({"contract_fma"}, graph, inputs, names);
  std::vector<std::string> keeping_bits{"contract_fma"};
  for (const PassInfo& pass : list_passes()) {
    if (pass.required || pass.name == "contract_fma") continue;
    // Without merged kernels fewer products and sums are in one place.
    const bool bits = pass.preserves == Preserves::bits;
    if (bits) keeping_bits.push_back(pass.name);
    EXPECT_EQ(difference(complete, results_without({pass.name}, graph, inputs, names),
                         bits && pass.group != "fuse" ? Preserves::bits : Preserves::bound),
              "")
        << "without " << pass.name;
    if (!bits || pass.group != "fuse") continue;
    EXPECT_EQ(
        difference(uncontracted, results_without({"contract_fma", pass.name}, graph, inputs, names),
                   Preserves::bits),
        "")
        << "without " << pass.name << " and contract_fma";
  }
  EXPECT_EQ(difference(complete, uncontracted, Preserves::bound), "");
  const bool routes = print(route_gradients(program, host_target())) != print(program);
  EXPECT_EQ(routes, GetParam()->name.starts_with("routed"));
  EXPECT_EQ(
      difference(uncontracted, results_without({"contract_fma", "fuse"}, graph, inputs, names),
                 routes ? Preserves::bound : Preserves::bits),
      "");
  EXPECT_EQ(difference(uncontracted, results_without(keeping_bits, graph, inputs, names),
                       Preserves::bits),
            "")
      << "without any that keeps bits";
}

std::vector<const Network*> some_networks() {
  std::vector<const Network*> all;
  for (const std::size_t i : {0U, 2U, 4U, 5U, 6U}) all.push_back(&networks()[i]);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Networks, WithoutAPass, ::testing::ValuesIn(some_networks()),
                         [](const auto& network) { return network.param->name; });

}  // namespace
}  // namespace cnnc::testing
