#include "tests/random/generate.h"

#include <cmath>
#include <limits>

#include "tests/random/choices.h"
#include "tests/random/op_layers.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kWork = 60'000;  // multiply-adds and elements, forward, over the batch

/// Sizes next to those of vectors, register tiles and groups of samples.
const std::vector<std::int64_t>& edges() {
  static const std::vector<std::int64_t> sizes = {1,  2,  3,  4,  5,  6,  7,  8,  9,
                                                  15, 16, 17, 31, 32, 33, 63, 64, 65};
  return sizes;
}

constexpr std::size_t kMoreOften = 9;
constexpr std::size_t kPooledAttempts = 8;

class Generator {
 public:
  Generator(std::uint64_t seed, Lane lane, const Language& language)
      : choices_(seed), lane_(lane), language_(language), builder_(language.ops, "random", 1) {
    for (const auto& [name, row] : language.layers)
      (is_op_layer(name) ? op_layers_ : layers_).push_back(name);
    layers_.insert(layers_.end(), kMoreOften, "conv");  // what the compiler is there for
  }

  Network run() {
    begin();
    const std::int64_t length = choices_.between(1, 5);
    int value = kBodyInput;
    for (std::int64_t i = 0; i < length; ++i) value = part(value, 0);
    if (value == kBodyInput) value = must("relu", value);
    end(value);
    return pruned(network_);
  }

 private:
  void begin() {
    network_.batch = choices_.chance(0.7) ? choices_.one_of(edges()) : choices_.between(1, 65);
    const auto side = [&] {
      return choices_.chance(0.1) ? choices_.one_of(edges()) : choices_.between(1, 9);
    };
    do {
      network_.input = {side(), side(), channels()};
    } while (element_count(network_.input, 1) * network_.batch > kWork / 12);
    if (choices_.chance(0.8)) network_.style = choices_.bits() | 1;
    builder_ = Builder(language_.ops, "random", network_.batch);
    Dims dims = network_.input;
    dims.insert(dims.begin(), kBatch);
    image_ = builder_.input("image", "data", {ScalarType::f32, dims});
  }

  std::int64_t channels() {
    return choices_.chance(0.6) ? choices_.between(1, 5) : choices_.one_of(edges());
  }

  Value value_of(int step) const {
    return step == kBodyInput ? image_ : values_.at(static_cast<std::size_t>(step));
  }
  const Dims& dims_of(int step) const { return builder_.type(value_of(step)).dims; }

  /// Something after `from`: a layer, a branch that is joined again, or a block.
  int part(int from, int depth) {
    if (depth < 2 && choices_.chance(0.35))
      if (const auto joined = branch(from, depth)) return *joined;
    if (depth == 0 && choices_.chance(0.12))
      if (const auto used = block(from)) return *used;
    for (std::size_t attempt = 0; attempt < kPooledAttempts; ++attempt)
      if (const auto made = pooled(from)) return *made;
    return any_layer(from).value_or(from);
  }

  std::optional<int> any_layer(int from) {
    for (int attempt = 0; attempt < 12; ++attempt) {
      const std::string& what = choices_.one_of(choices_.chance(0.75) ? layers_ : op_layers_);
      if (language_.layers.at(what)->inputs != 1) continue;
      if (const auto made = layer(what, {from})) return made;
    }
    return std::nullopt;
  }

  /// What ends a model is added whatever it costs.
  int must(const std::string& what, int from) {
    limit_ = std::numeric_limits<std::int64_t>::max();
    const auto made = layer(what, {from});
    CNNC_CHECK(made, "{} cannot follow {}", what, to_string(dims_of(from)));
    return *made;
  }

  /// Two or three ways from `from` (one of them maybe without a layer), joined by a layer that
  /// takes several values.
  std::optional<int> branch(int from, int depth) {
    const std::size_t before = network_.steps.size();
    std::vector<int> ends;
    const std::int64_t arms = choices_.chance(0.8) ? 2 : 3;
    for (std::int64_t arm = 0; arm < arms; ++arm) {
      int value = from;
      const std::int64_t length = choices_.between(arm == 0 ? 1 : 0, 2);
      for (std::int64_t i = 0; i < length; ++i) value = same_size(value, depth);
      ends.push_back(value);
    }
    if (choices_.chance(0.5)) std::reverse(ends.begin(), ends.end());
    for (int attempt = 0; attempt < 12; ++attempt) {
      const std::string& what = choices_.one_of(choices_.chance(0.7) ? layers_ : op_layers_);
      if (language_.layers.at(what)->inputs == 1) continue;
      if (const auto joined = layer(what, ends)) return joined;
    }
    truncate(before);
    return std::nullopt;
  }

  /// A convolution of channels that fill vectors and a pool whose windows cover its result, several
  /// along either axis: all but their arg-maxes have no gradient, which the compiler makes use of.
  std::optional<int> pooled(int from) {
    if (dims_of(from).size() != 4) return std::nullopt;
    const std::size_t before = network_.steps.size();
    std::optional<int> value = from;
    const auto follow = [&](const std::string& what, const Attributes& arguments) {
      if (value) value = add({what, arguments, {*value}});
    };
    Dims size, pad, window;
    for (const std::size_t axis : {1U, 2U}) {
      size.push_back(choices_.chance(0.6) ? 3 : choices_.between(1, 4));
      pad.push_back(choices_.between(0, 1));
      const std::int64_t pixels = dims_of(from)[axis] + 2 * pad.back() - size.back() + 1;
      window.push_back(pixels < 4 ? 1 : divisor(pixels));
      if (window.back() == 1 || window.back() == pixels) return std::nullopt;
    }
    if (dims_of(from).back() < 16 || choices_.chance(0.3))
      follow("conv", {{"channels", choices_.between(15, 18)}, {"size", Dims{1, 1}}});
    follow("conv", {{"channels", choices_.between(1, 3)}, {"size", size}, {"pad", pad}});
    if (value && choices_.chance(0.6)) value = layer("relu", {*value});
    follow("maxpool", {{"size", window}});
    if (!value) truncate(before);
    return value;
  }

  /// A layer that keeps height and width, so that arms can be joined; channels too, mostly.
  int same_size(int from, int depth) {
    const Dims dims = dims_of(from);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const std::size_t before = network_.steps.size();
      const int to = depth < 1 && choices_.chance(0.1) ? part(from, depth + 1)
                                                       : any_layer(from).value_or(from);
      Dims now = dims_of(to);
      if (choices_.chance(0.2) && now.size() == dims.size()) now.back() = dims.back();
      if (now == dims) return to;
      truncate(before);
    }
    return from;
  }

  void truncate(std::size_t steps) {
    network_.steps.resize(steps);
    values_.resize(steps);
    work_.resize(steps);
  }

  /// A block of one to three layers, used once or twice after `from`.
  std::optional<int> block(int from) {
    const std::size_t before = network_.steps.size();
    int value = from;
    const std::int64_t length = choices_.between(1, 3);
    for (std::int64_t i = 0; i < length; ++i) value = any_layer(value).value_or(value);
    NetworkBlock made;
    made.name = fmt::format("block{}x", network_.blocks.size());
    for (std::size_t i = before; i < network_.steps.size(); ++i) {
      Step step = network_.steps[i];
      for (int& input : step.inputs)
        input = input == from ? kBodyInput : input - static_cast<int>(before);
      made.steps.push_back(std::move(step));
    }
    const Value result = value_of(value);
    const std::int64_t work = total_work(before);
    truncate(before);
    if (made.steps.empty()) return std::nullopt;
    if (choices_.chance(0.3) && builder_.type(result).dims.size() == 4) add_skip(made);
    std::optional<std::int64_t> parameter;
    for (std::size_t i = 0; i < made.steps.size() && made.parameter_step < 0; ++i)
      for (const auto& [name, of] : made.steps[i].arguments.all())
        if (const auto* number = std::get_if<std::int64_t>(&of)) {
          made.parameter_step = static_cast<int>(i);
          made.parameter_argument = name;
          parameter = *number;
        }
    network_.blocks.push_back(made);
    Step use{made.name, {}, {from}};
    if (parameter && choices_.chance(0.5)) use.arguments.set("c", *parameter);
    network_.steps.push_back(use);
    values_.push_back(replayed(made, from));
    work_.push_back(work);
    int last = static_cast<int>(network_.steps.size()) - 1;
    // Once more, where its result fits its input.
    if (choices_.chance(0.5) && dims_of(last) == dims_of(from)) {
      use.inputs = {last};
      network_.steps.push_back(use);
      values_.push_back(replayed(made, last));
      work_.push_back(work);
      ++last;
    }
    return last;
  }

  /// The block's result and its input side by side, where they differ in channels only.
  void add_skip(NetworkBlock& block) {
    if (!language_.layers.contains("concat")) return;
    block.steps.push_back({"concat", {}, {static_cast<int>(block.steps.size()) - 1, kBodyInput}});
  }

  Value replayed(NetworkBlock& block, int from) {
    std::vector<Value> values;
    const auto build = [&] {
      values.clear();
      for (const Step& step : block.steps) {
        std::vector<Value> inputs;
        for (const int input : step.inputs)
          inputs.push_back(input == kBodyInput ? value_of(from)
                                               : values.at(static_cast<std::size_t>(input)));
        values.push_back(built(step, std::move(inputs)));
      }
    };
    try {
      build();
    } catch (const Error&) {  // the skip does not fit
      block.steps.pop_back();
      network_.blocks.back().steps.pop_back();
      build();
    }
    return values.back();
  }

  std::int64_t total_work(std::size_t from = 0) const {
    std::int64_t total = 0;
    for (std::size_t i = from; i < work_.size(); ++i) total += work_[i];
    return total;
  }

  /// Adds the nodes of a layer, whose written arguments `step` has.
  Value built(const Step& step, std::vector<Value> inputs) {
    const LayerDef& def = *language_.layers.at(step.what);
    Attributes arguments;
    for (const ArgumentDef& argument : def.arguments) {
      const AttributeValue* value = step.arguments.find(argument.name);
      if (value == nullptr && !argument.fallback) fail("{} is missing", argument.name);
      arguments.set(argument.name, value != nullptr ? *value : *argument.fallback);
    }
    std::vector<Parameter> parameters;
    LayerContext context(builder_, Mode::train, ScalarType::f32, fmt::format("layer{}", ++built_),
                         arguments, std::move(inputs), parameters);
    return def.build(context);
  }

  std::optional<int> layer(const std::string& what, std::vector<int> inputs) {
    const LayerDef& def = *language_.layers.at(what);
    Step step{what, {}, inputs};
    for (const ArgumentDef& argument : def.arguments)
      if (!argument.fallback || choices_.chance(0.4))
        step.arguments.set(argument.name, value_for(argument, dims_of(inputs.front())));
    return add(std::move(step));
  }

  /// Nothing where the language refuses the step, and where it costs too much.
  std::optional<int> add(Step step) {
    std::vector<Value> values;
    for (const int input : step.inputs) values.push_back(value_of(input));
    const std::size_t before = builder_.graph().nodes.size();
    try {
      const Value value = built(step, values);
      const std::int64_t work = work_since(before);
      if (total_work() + work > limit_ || !fits_lane(before)) return std::nullopt;
      network_.steps.push_back(std::move(step));
      values_.push_back(value);
      work_.push_back(work);
      return static_cast<int>(values_.size()) - 1;
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  std::int64_t work_since(std::size_t before) const {
    std::int64_t work = 0;
    const Graph& graph = builder_.graph();
    for (std::size_t i = before; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      std::vector<TensorType> operands;
      for (const Value operand : node.operands) operands.push_back(graph.type(operand));
      std::int64_t own = 0;
      for (const TensorType& type : node.types) own += element_count(type.dims, graph.batch);
      if (node.op->flops)
        own += graph.batch * node.op->flops({operands, node.types, node.attributes}) / 2;
      work += own;
    }
    return work;
  }

  bool fits_lane(std::size_t before) const {
    if (lane_ != Lane::whole) return true;
    const Graph& graph = builder_.graph();
    for (std::size_t i = before; i < graph.nodes.size(); ++i)
      if (!graph.nodes[i].op->exact_on_integers && !is_input(graph.nodes[i])) return false;
    return true;
  }

  AttributeValue value_for(const ArgumentDef& argument, const Dims& dims) {
    const auto low = static_cast<std::int64_t>(std::ceil(argument.low));
    const auto high = static_cast<std::int64_t>(std::min(argument.high, 65.0));
    switch (argument.kind) {
      case ArgumentKind::integer: {
        const std::int64_t number = choices_.chance(0.4)   ? dims.back()
                                    : choices_.chance(0.3) ? divisor(dims.back())
                                                           : channels();
        return std::clamp(number, low, high);
      }
      case ArgumentKind::size2: {
        const auto side = [&] { return low + std::min(high - low, small()); };
        const std::int64_t first = side();
        return Dims{first, choices_.chance(0.6) ? first : side()};
      }
      case ArgumentKind::real: return real_for(argument);
      case ArgumentKind::boolean: return choices_.chance(0.5);
      case ArgumentKind::word: break;
    }
    CNNC_CHECK(false, "the generator knows no value for the argument `{}`; teach it in {}",
               argument.name, __FILE__);
  }

  std::int64_t small() { return choices_.chance(0.85) ? choices_.between(0, 2) : 3; }

  std::int64_t divisor(std::int64_t of) {
    std::vector<std::int64_t> divisors;
    for (std::int64_t d = 1; d <= of; ++d)
      if (of % d == 0) divisors.push_back(d);
    return choices_.one_of(divisors);
  }

  /// Powers of two are exact where reals are not.
  double real_for(const ArgumentDef& argument) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      const double value = lane_ == Lane::whole
                               ? std::ldexp(1.0, static_cast<int>(choices_.between(-2, 0)))
                               : std::ldexp(static_cast<double>(choices_.between(0, 100)) / 100,
                                            static_cast<int>(choices_.between(-6, 2)));
      const bool above = argument.low_open ? value > argument.low : value >= argument.low;
      const bool below = argument.high_open ? value < argument.high : value <= argument.high;
      if (above && below) return value;
    }
    return argument.low_open ? (argument.low + argument.high) / 2 : argument.low;
  }

  template <class Def>
  Choice chosen(const Rows<Def>& rows, double given) {
    std::vector<std::string> names;
    for (const auto& [name, row] : rows) names.push_back(name);
    Choice choice{choices_.one_of(names), {}};
    for (const ArgumentDef& argument : rows.find(choice.name)->second->arguments)
      if (!argument.fallback || choices_.chance(given))
        choice.arguments.set(argument.name, value_for(argument, {kBatch, 4}));
    return choice;
  }

  /// The train section. A loss that refuses the output gets it flat, then as shares of a few
  /// classes.
  void end(int value) {
    network_.schedule =
        choices_.chance(0.3) ? std::optional(chosen(language_.schedules, 0.5)) : std::nullopt;
    for (int attempt = 0;; ++attempt) {
      CNNC_CHECK(attempt < 50, "no optimizer accepts random arguments");
      network_.optimizer = chosen(language_.optimizers, 0.4);
      if (accepted(network_.optimizer)) break;
    }
    for (int attempt = 0;; ++attempt) {
      CNNC_CHECK(attempt < 50, "no loss accepts {}", to_string(dims_of(value)));
      network_.loss = chosen(language_.losses, 0.5);
      if (accepts(network_.loss, value)) return;
      if (lane_ == Lane::whole) continue;
      int last = value;
      if (dims_of(last).size() != 2) last = must("flatten", last);
      if (choices_.chance(0.7)) {
        Step dense{"dense", {{"units", choices_.between(1, 5)}}, {last}};
        values_.push_back(built(dense, {value_of(last)}));
        work_.push_back(0);
        network_.steps.push_back(std::move(dense));
        last = static_cast<int>(values_.size()) - 1;
      }
      last = must("softmax", last);
      if (accepts(network_.loss, last)) return;
    }
  }

  bool accepted(const Choice& optimizer) const {
    const OptimizerDef& def = *language_.optimizers.at(optimizer.name);
    try {
      if (def.states) def.states(complete(optimizer, def.arguments));
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  static Attributes complete(const Choice& choice, const std::vector<ArgumentDef>& defs) {
    Attributes arguments;
    for (const ArgumentDef& def : defs) {
      const AttributeValue* given = choice.arguments.find(def.name);
      if (given == nullptr) CNNC_CHECK(def.fallback.has_value(), "{} is missing", def.name);
      arguments.set(def.name, given != nullptr ? *given : *def.fallback);
    }
    return arguments;
  }

  /// Whether the loss takes the value, and in the lane of whole numbers is exact on it.
  bool accepts(const Choice& loss, int value) {
    const LossDef& def = *language_.losses.at(loss.name);
    Builder attempt = builder_;
    try {
      const Value label = attempt.input("label", "data", {ScalarType::i32, {kBatch}});
      def.build(attempt, value_of(value), label, complete(loss, def.arguments));
    } catch (const Error&) {
      return false;
    }
    if (lane_ != Lane::whole) return true;
    const auto& nodes = attempt.graph().nodes;
    for (std::size_t i = builder_.graph().nodes.size(); i < nodes.size(); ++i)
      if (!nodes[i].op->exact_on_integers && !is_input(nodes[i])) return false;
    return true;
  }

  Choices choices_;
  Lane lane_;
  const Language& language_;
  Builder builder_;
  Network network_;
  std::vector<std::string> layers_, op_layers_;
  Value image_;
  std::vector<Value> values_;       // of each step
  std::vector<std::int64_t> work_;  // of each step
  int built_ = 0;
  std::int64_t limit_ = kWork;
};

}  // namespace

std::string_view name_of(Lane lane) {
  switch (lane) {
    case Lane::whole: return "whole";
    case Lane::real: return "real";
    case Lane::special: return "special";
  }
  return "?";
}

Network generate(std::uint64_t seed, Lane lane, const Language& language) {
  return Generator(seed, lane, language).run();
}

}  // namespace cnnc::testing
