// The model language: text -> Model -> forward graph; Model -> canonical text. Its grammar is in
// frontend/ast.h. What a reader of models must know:
//   - the output of a model or block is its last chain without a name; every other value has a
//     name and is used
//   - a chain begins with `input` (in a block: what stands in front of its arrow), with a value, or
//     with a layer that takes several: add(a, b) is their sum and nothing else
//   - layers are named by kind and number in order (conv1, dense2; those with `name=` count too),
//     in a block behind the name of its use: residual1.conv1
//   - arguments may compute with whole numbers and a block's parameters: conv(2*c + 1, 3x3)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/language/layer.h"

namespace cnnc {

/// Limits of a model, after blocks are expanded. Beyond them it is refused, with its numbers.
inline constexpr std::size_t kMaxLayers = 10'000;
inline constexpr int kMaxBlockDepth = 32;  // blocks in blocks
inline constexpr std::int64_t kMaxParameters = std::int64_t{1}
                                               << 31;  // numbers in all weights and states together
inline constexpr std::int64_t kMaxActivations =
    std::int64_t{1} << 31;  // numbers in all layers' results for one sample
inline constexpr std::int64_t kMaxBatch = 65'536;
inline constexpr std::int64_t kMaxEpochs = 1'000'000;

/// `name(arguments)` of the train section: an optimizer, loss or schedule, with checked arguments.
struct Choice {
  std::string name;
  Attributes arguments;

  bool operator==(const Choice&) const = default;
};

struct TrainSettings {
  std::string data;  // folder name under the data folder: mnist
  Choice loss;
  Choice optimizer;
  Choice schedule;  // constant unless given
  std::int64_t batch = 128;
  std::int64_t epochs = 1;
};

/// One step of the network after blocks are expanded: a layer applied to values.
struct LayerUse {
  std::string layer;        // row of Language::layers
  std::string name;         // conv1
  Attributes arguments;     // complete
  std::vector<int> inputs;  // indices of earlier uses; -1: the model's input
  Location location;
};

struct Model {
  std::string name;
  Dims input;  // [28,28,1]: height, width, channels
  std::vector<LayerUse> layers;
  int output = -1;  // index of the use whose value the model yields
  std::optional<TrainSettings> train;
  SourceText source;      // for positions of later errors
  std::string canonical;  // the formatted text, as --emit model prints it
};

/// Parses, expands blocks, resolves names, checks arguments and shapes. Throws one Error that
/// renders all mistakes of the file.
Model parse_model(const SourceText& source, const Language& language);

/// Whether what the model yields are probabilities, by its last layer (LayerDef::meaning).
bool yields_probabilities(const Model& model, const Language& language);

/// A graph and the parameters that it needs.
struct ModelGraph {
  Graph graph;
  std::vector<Parameter> parameters;    // in layer order, trained ones and states
  std::vector<TensorType> layer_types;  // of each LayerUse's result
};

/// The forward graph. Inputs: image u8[B,h,w,c] (divided by 255 inside), and for training label
/// i32[B], sample i64[B] (the rows' numbers in the data set), scalars seed i64, step i64 (from 1),
/// epoch i64, count i64, lr (real). Outputs: `output` (the model's value) in both modes; in train
/// mode also loss (real scalar), correct (real scalar) and updated states; the optimizer is
/// recorded in the graph.
ModelGraph build_graph(const Model& model, const Language& language, Mode mode, std::int64_t batch,
                       ScalarType real);

}  // namespace cnnc
