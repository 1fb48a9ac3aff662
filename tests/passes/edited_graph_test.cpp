// Passes over graphs, and lowering, keep the results of any graph that has types: of those of the
// golden texts, and of thousands that differ from them in an attribute, an operand, an op.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "passes/lower/lower.h"
#include "passes/pipeline/pipeline.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/well_defined.h"
#include "tests/golden_text.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

/// Gradients are no outputs any more once an optimizer is applied.
constexpr std::string_view kNothingInCommon = "there is nothing to compare";
constexpr std::int64_t kMostElements = 1 << 12;  // in all values together: time is their square

/// Of each graph; CNNC_EDITS says another number.
int edits() {
  const char* text = std::getenv("CNNC_EDITS");
  return text ? std::atoi(text) : 60;
}

std::vector<Graph> graphs_of(const std::filesystem::path& path, const OpTable& ops) {
  std::vector<Graph> graphs;
  for (const auto& [title, text] : read_golden(path).sections) try {
      if (text.starts_with("graph ")) graphs.push_back(parse_graph({title, text}, ops));
    } catch (const Error&) {
    }
  return graphs;
}

bool is_small(const Graph& graph) {
  std::int64_t total = 0;
  for (const Node& node : graph.nodes)
    for (const TensorType& type : node.types)
      if ((total +=
           checked_element_count(type.dims, graph.batch, kMostElements).value_or(kMostElements)) >=
          kMostElements)
        return false;
  return true;
}

bool is_finite(const Tensors& tensors) {
  return std::ranges::all_of(tensors, [](const auto& each) {
    for (std::int64_t i = 0; i < each.second.size(); ++i)
      if (!std::isfinite(each.second.get(i))) return false;
    return true;
  });
}

bool is_by_row(const TensorType& type) { return !type.dims.empty() && type.dims.front() == kBatch; }

/// Made-up inputs of a graph, whole batches of them.
Tensors inputs_of(const Graph& graph, std::int64_t count) {
  Tensors inputs;
  for (const Node& node : graph.nodes) {
    if (!is_input(node)) continue;
    const TensorType& type = node.types.front();
    inputs.emplace(input_name(node),
                   made_up(input_name(node), {type.scalar, concrete(type.dims, graph.batch)},
                           Values::real, 1, count, is_by_row(type)));
  }
  if (!inputs.contains("count")) inputs.emplace("count", Tensor({ScalarType::i64, {}}));
  if (inputs.at("count").type() == TensorType{ScalarType::i64, {}})
    inputs.at("count").set(0, static_cast<double>(count));
  return inputs;
}

struct Run {
  std::int64_t count;
  Tensors inputs, results;
};

Tensors results_of(const Graph& graph, const Run& with) {
  std::map<std::string, Tensor> inputs;
  for (const Node& node : graph.nodes) {
    if (!is_input(node)) continue;
    const std::string& name = input_name(node);
    const auto known = with.inputs.find(name);
    if (known == with.inputs.end())  // the state of an optimizer
      inputs.emplace(name, Tensor({node.types[0].scalar, concrete(node.types[0].dims, 1)}));
    else
      inputs.emplace(name, is_by_row(node.types[0])
                               ? first_rows(known->second, graph.batch, with.count)
                               : known->second);
  }
  auto results = interpret(graph, inputs, with.count);
  return {results.begin(), results.end()};
}

/// Those that `graph` has.
Tensors results_of(const Program& program, const Graph& graph, const Run& with) {
  auto results = fuzz::results_of(program, with.inputs).value();
  for (const Output& output : graph.outputs)
    if (const auto found = results.find(output.name);
        found != results.end() && is_by_row(graph.type(output.value)))
      found->second = first_rows(found->second, graph.batch, with.count);
  return results;
}

/// On full and partial batches, where `graph` has results and all of them are finite.
std::vector<Run> runs_of(const Graph& graph) {
  std::vector<Run> runs;
  if (graph.outputs.empty()) return runs;
  for (const std::int64_t count : {graph.batch, std::max<std::int64_t>(graph.batch - 1, 1)}) {
    Run run{count, inputs_of(graph, count), {}};
    try {
      run.results = results_of(graph, run);
      if (is_finite(run.results)) runs.push_back(std::move(run));
    } catch (const Error&) {  // a division by zero, say
    }
  }
  return runs;
}

/// The first difference between the results of the runs and those of `after`, as text.
std::string complaint(const Graph& after, const std::vector<Run>& runs, Preserves preserves) {
  if (const auto errors = verify_errors(after); !errors.empty()) return errors.front();
  for (const Run& run : runs)
    if (auto text = difference(run.results, results_of(after, run), preserves);
        !text.empty() && text != kNothingInCommon)
      return text;
  return "";
}
std::string complaint(const Program& after, const Graph& before, const std::vector<Run>& runs) {
  if (const auto errors = verify_errors(after); !errors.empty()) return errors.front();
  for (const Run& run : runs)
    if (auto text = difference(run.results, results_of(after, before, run), Preserves::bound);
        !text.empty())
      return text;
  return "";
}

class EditedGraphs : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(EditedGraphs, keep_their_results_through_every_pass) {
  const OpTable ops = OpTable::standard();
  const Target target = *named_target("x86-64-v3");
  fuzz::Random random(std::hash<std::string>{}(GetParam().stem().string()));
  for (const Graph& graph : graphs_of(GetParam(), ops)) {
    for (int i = 0; i < edits(); ++i) {
      Graph edited = graph;
      for (std::size_t n = fuzz::below(random, 3) + (i > 0 ? 1 : 0); i > 0 && n > 0; --n)
        edited = fuzz::edited(edited, ops, random);
      if (!find_faults(edited).empty() || !is_small(edited)) continue;
      std::optional<Program> lowered;
      try {
        lowered = lower(edited, target);
      } catch (const Error&) {  // what no kernel may do
        continue;
      }
      const auto runs = runs_of(edited);
      if (runs.empty()) continue;
      ASSERT_EQ(complaint(*lowered, edited, runs), "") << "lowering makes of\n"
                                                       << print(edited) << "this:\n"
                                                       << print(*lowered);
      for (const auto& pass : graph_passes()) {
        std::optional<Graph> after;
        try {
          after = run_pass(pass, edited, target);
        } catch (const Error&) {  // a loss without a gradient, say
          continue;
        }
        ASSERT_EQ(complaint(*after, runs, pass.preserves), "") << pass.name << " makes of\n"
                                                               << print(edited) << "this:\n"
                                                               << print(*after);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, EditedGraphs, ::testing::ValuesIn(golden_files()),
                         [](const auto& file) { return file.param.stem().string(); });

TEST(StatesOfAGraph, are_read_before_any_of_them_changes) {
  const OpTable ops = OpTable::standard();
  const Graph graph = parse_graph({"turn", R"(graph turn batch=1 {
  %0 = input() {name="a", role="state", type="f32[2,3]"} : f32[2,3]
  %1 = input() {name="b", role="state", type="f32[2,3]"} : f32[2,3]
  %2 = input() {name="c", role="state", type="f32[6]"} : f32[6]
  %3 = neg(%1) : f32[2,3]
  %4 = reshape(%2) {dims=[2,3]} : f32[2,3]
  %5 = reshape(%0) {dims=[6]} : f32[6]
  return b=%4, seen=%1, a=%1, c=%5, negated=%3
})"},
                                  ops);
  const auto runs = runs_of(graph);
  ASSERT_FALSE(runs.empty());
  for (const char* target : {"x86-64", "x86-64-v4"}) {
    Program program = lower(graph, *named_target(target));
    EXPECT_EQ(complaint(program, graph, runs), "") << print(program);
    for (const auto& pass : loop_passes()) {
      program = run_pass(pass, program, *named_target(target));
      EXPECT_EQ(complaint(program, graph, runs), "") << pass.name;
    }
  }
}

}  // namespace
}  // namespace cnnc::testing
