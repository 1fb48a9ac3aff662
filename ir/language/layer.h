// What the model language offers: layers, losses, optimizers and schedules, each a row of a table.
// Front end and differentiation know none by name.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph/graph.h"

namespace cnnc {

enum class Mode : std::uint8_t { train, infer };

/// How a parameter or state starts. he_normal: normal, mean 0, deviation sqrt(2 / fan_in).
struct Initializer {
  enum class Kind : std::uint8_t { zeros, ones, he_normal } kind = Kind::zeros;
  std::int64_t fan_in = 1;
};

/// A parameter or state of a model, in the order of the layers.
struct Parameter {
  std::string name;  // conv1.weight
  TensorType type;
  Initializer initializer;
  bool trained = true;                                    // false: a state (running mean, momentum)
  double low = -std::numeric_limits<double>::infinity();  // nothing below it has a meaning
};

enum class ArgumentKind : std::uint8_t { integer, size2, real, boolean, word };

/// One argument of a layer, optimizer, schedule or loss. `3x3` or `3` for size2 (stored as [3,3]).
/// Positional arguments come in table order.
struct ArgumentDef {
  std::string name;
  ArgumentKind kind = ArgumentKind::integer;
  std::string description;
  std::optional<AttributeValue> fallback = std::nullopt;  // nothing: required
  double low = 0, high = 1e9;                             // allowed range of numbers, ends included
  bool low_open = false, high_open = false;               // ... or excluded
  bool positional = false;
};

/// What a layer's build sees and does.
class LayerContext {
 public:
  LayerContext(Builder& of_builder, Mode of_mode, ScalarType of_real, std::string of_name,
               const Attributes& of_arguments, std::vector<Value> of_inputs,
               std::vector<Parameter>& parameters)
      : builder(of_builder),
        mode(of_mode),
        real(of_real),
        name(std::move(of_name)),
        arguments(of_arguments),
        inputs(std::move(of_inputs)),
        parameters_(parameters) {}

  Builder& builder;
  Mode mode;
  ScalarType real;              // f32 or f64: the type of everything that is trained
  std::string name;             // conv1
  const Attributes& arguments;  // checked, complete with fallbacks
  std::vector<Value> inputs;

  const TensorType& type(std::size_t input = 0) const { return builder.type(inputs.at(input)); }
  Value parameter(std::string_view suffix, Dims dims, Initializer initializer);
  /// A state that training carries from step to step; `update` gives its new value. Weights that
  /// hold less than `low` there are refused.
  Value state(std::string_view suffix, Dims dims, Initializer initializer,
              double low = -std::numeric_limits<double>::infinity());
  void update(std::string_view suffix, Value new_value);
  /// Uniform in [0, 1), shape `dims` (first kBatch), keyed by (seed, step, sample, use).
  Value random_uniform(Dims dims);

 private:
  std::vector<Parameter>& parameters_;
};

/// What a layer's result means to who reads it: probabilities are shares of 1 among the channels;
/// as_input is the input's values, in whatever shape.
enum class Meaning : std::uint8_t { numbers, probabilities, as_input };

struct LayerDef {
  std::string name;
  std::string description;
  std::string notes = {};  // conventions that its user needs, in sentences: --list-layers NAME
  std::vector<ArgumentDef> arguments;
  /// What others call it, and what it is the nearest thing to here: suggested where one is written.
  std::vector<std::string> relatives = {};
  int inputs = 1;  // values in front of the arrow; -1 where `add(skip)`, `concat(a, b)` take
                   // further values as arguments
  /// Throws Error (no position) where shapes do not fit, both shapes in the text, and where the
  /// largest batch of a training is too small to learn from.
  std::function<Value(LayerContext&)> build;
  Meaning meaning = Meaning::numbers;
};

/// A loss adds, to a graph whose network output is `prediction` and whose labels are i32[B], the
/// scalar outputs `loss` (mean over the count rows) and `correct` (number of rows whose greatest
/// prediction, the first of equals, is their label).
struct LossDef {
  std::string name;
  std::string description;
  std::string notes = {};  // as a layer's
  std::vector<ArgumentDef> arguments;
  std::function<void(Builder&, Value prediction, Value label, const Attributes& arguments)> build;
  /// The loss of a model that gives every class the same; empty: not known.
  std::function<double(std::int64_t classes)> of_guessing = {};
};

/// An optimizer says which states a parameter needs and what its new value is.
struct OptimizerContext {
  Builder& builder;
  const Attributes& arguments;
  Value learning_rate;  // scalar of the parameter's type
  Value step;           // i64 scalar, from 1
  Value parameter, gradient;
  std::function<Value(std::string_view suffix)>
      state;  // of the parameter's type, zeros at the start
  std::function<void(std::string_view suffix, Value)> update_state;
};
struct OptimizerDef {
  std::string name;
  std::string description;
  std::string notes = {};  // as a layer's
  std::vector<ArgumentDef> arguments;
  /// Suffixes (conv1.weight.momentum) of those that these arguments need. Throws Error where the
  /// arguments contradict each other.
  std::function<std::vector<std::string>(const Attributes& arguments)> states;
  std::function<Value(OptimizerContext&)> update;  // the parameter's new value
};

/// The learning rate of a step as a multiple of nothing: schedule(lr, step from 0, total steps,
/// arguments) -> learning rate.
struct ScheduleDef {
  std::string name;
  std::string description;
  std::string notes = {};  // as a layer's
  std::vector<ArgumentDef> arguments;
  std::function<double(double lr, std::int64_t step, std::int64_t total,
                       const Attributes& arguments)>
      rate;
};

template <class Def>
using Rows = std::map<std::string, std::shared_ptr<const Def>, std::less<>>;

/// Everything that a model text can name; a value, so a program can extend its own copy.
struct Language {
  OpTable ops;
  Rows<LayerDef> layers;
  Rows<LossDef> losses;
  Rows<OptimizerDef> optimizers;
  Rows<ScheduleDef> schedules;

  static Language standard();
  void add(LayerDef layer) { add_row(layers, std::move(layer)); }
  void add(LossDef loss) { add_row(losses, std::move(loss)); }
  void add(OptimizerDef optimizer) { add_row(optimizers, std::move(optimizer)); }
  void add(ScheduleDef schedule) { add_row(schedules, std::move(schedule)); }

 private:
  template <class Def>
  static void add_row(Rows<Def>& rows, Def row) {
    std::string name = row.name;  // before the row is moved from
    rows.insert_or_assign(std::move(name), std::make_shared<const Def>(std::move(row)));
  }
};

}  // namespace cnnc
