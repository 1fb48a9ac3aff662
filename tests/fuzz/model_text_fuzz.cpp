// Model text: what parses prints, reparses and prints the same, becomes a graph that the verifier
// accepts, and goes through the graph passes.
#include "frontend/model.h"
#include "passes/pipeline/pipeline.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

constexpr std::size_t kMostLayers = 60;  // of those that are compiled: the rest only takes longer

void check_graph(const Model& model, const Language& language) {
  const Mode mode = model.train ? Mode::train : Mode::infer;
  Graph graph = build_graph(model, language, mode, 3, ScalarType::f32).graph;
  for (const auto& pass : graph_passes()) {
    verify(graph, pass.name);
    graph = run_pass(pass, graph, *named_target("x86-64-v3"));
  }
  verify(graph, "the graph passes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Language language = Language::standard();
  try {
    const Model model = parse_model({"m", std::string(fuzz::text_of(data, size))}, language);
    try {
      const Model again = parse_model({"m", model.canonical}, language);
      fuzz::require(again.canonical == model.canonical, "formatting is stable", model.canonical);
      fuzz::require(again.layers.size() == model.layers.size(), "formatting keeps the layers");
    } catch (const Error& error) {
      fuzz::require(false, "the canonical text parses", error.what());
    }
    if (model.layers.size() <= kMostLayers) check_graph(model, language);
  } catch (const Error& error) {
    fuzz::require_position(error, "m");
  }
  return 0;
}
