// Graph text: what parses prints, reparses and prints the same; what verifies can be interpreted
// and goes through every pass, which leaves what verifies.
#include "passes/lower/lower.h"
#include "passes/pipeline/pipeline.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

constexpr std::int64_t kMostElements = 1 << 11;  // in all values together: time is their square

std::int64_t elements_of(const Graph& graph) {
  std::int64_t total = 0;
  for (const Node& node : graph.nodes)
    for (const TensorType& type : node.types) {
      total += checked_element_count(type.dims, graph.batch, kMostElements).value_or(kMostElements);
      if (total >= kMostElements) return total;
    }
  return total;
}

void interpret_zeros(const Graph& graph) {
  std::map<std::string, Tensor> inputs;
  for (const Node& node : graph.nodes)
    if (is_input(node))
      inputs.emplace(input_name(node),
                     Tensor({node.types[0].scalar, concrete(node.types[0].dims, graph.batch)}));
  try {
    interpret(graph, inputs, graph.batch);
  } catch (const Error&) {  // a division by zero, say
  }
}

/// A pass may refuse a graph (an optimizer without a loss); it never breaks one.
void run_passes(Graph graph) {
  const Target target = *named_target("x86-64-v3");
  for (const auto& pass : graph_passes()) {
    graph = run_pass(pass, graph, target);
    verify(graph, pass.name);
  }
  Program program = lower(graph, target);
  verify(program, "lower");
  for (const auto& pass : loop_passes()) {
    program = run_pass(pass, program, target);
    verify(program, pass.name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Tally parsed("parsed"), verified("accepted by the verifier");
  static const OpTable ops = OpTable::standard();
  Graph graph;
  try {
    graph = parse_graph({"g", std::string(fuzz::text_of(data, size))}, ops);
  } catch (const Error& error) {
    fuzz::require_position(error, "g");
    parsed.count(false);
    return 0;
  }
  parsed.count(true);
  const std::string text = print(graph);
  try {
    fuzz::require(print(parse_graph({"g", text}, ops)) == text, "printing is stable", text);
  } catch (const Error& error) {
    fuzz::require(false, "the printed text parses", error.what());
  }
  const bool good = find_faults(graph).empty();
  verified.count(good);
  if (!good || elements_of(graph) >= kMostElements) return 0;
  interpret_zeros(graph);
  try {
    run_passes(std::move(graph));
  } catch (const Error&) {
  }
  return 0;
}
