#include "frontend/expand.h"

#include <map>

namespace cnnc::frontend {

namespace {

constexpr int kInputUse = -1;
constexpr int kUnknown = -2;  // the value of what has a mistake

// One use of a body: the model's, or a block's.
struct Frame {
  const ResolvedBody* body = nullptr;
  const ResolvedBlock* block = nullptr;  // null: the model
  std::vector<std::optional<Evaluated>> parameters;
  std::string prefix;                      // "residual1."
  std::map<std::string_view, int> counts;  // uses by layer or block
  int input = kInputUse;
  const Frame* caller = nullptr;
  Location use;  // where the caller uses this block
  int depth = 0;
};

class Expander {
 public:
  Expander(const Resolved& resolved, const Language& language, std::int64_t batch,
           Mistakes& mistakes)
      : resolved_(resolved),
        mistakes_(mistakes),
        mode_(resolved.train ? Mode::train : Mode::infer),
        expansion_{{},
                   {},
                   kInputUse,
                   {},
                   Builder(language.ops, std::string(resolved.model->name.text), batch)} {}

  Expansion run() {
    Frame frame;
    frame.body = &resolved_.body;
    const int output = expand_body(frame);
    if (output >= 0) {
      expansion_.output = output;
      expansion_.value = values_[static_cast<std::size_t>(output)];
    } else if (output == kInputUse) {
      mistakes_.add(resolved_.model->name.location,
                    fmt::format("model `{}` has no layer", resolved_.model->name.text));
    }
    return std::move(expansion_);
  }

 private:
  void report(const Frame& frame, Location location, std::string message, std::string hint = {}) {
    mistakes_.add(location, std::move(message), join_hints(std::move(hint), where(frame)));
  }

  static std::string where(const Frame& frame) {
    if (!frame.block) return {};
    return fmt::format("in the block `{}` as it is used in line {}", frame.block->syntax->name.text,
                       frame.use.line);
  }

  int expand_body(Frame& frame) {
    std::vector<int> slots(static_cast<std::size_t>(frame.body->slots), kUnknown);
    slots[0] = frame.input;
    int output = kUnknown;
    for (std::size_t i = 0; i < frame.body->chains.size(); ++i) {
      const Chain& chain = frame.body->chains[i];
      int value = kUnknown;
      for (const Step& step : chain.steps) {
        if (stopped_) return kUnknown;
        value = expand_step(step, value, slots, frame);
      }
      if (chain.target >= 0) slots[static_cast<std::size_t>(chain.target)] = value;
      if (static_cast<int>(i) == frame.body->output) output = value;
    }
    return output;
  }

  int expand_step(const Step& step, int value, const std::vector<int>& slots, Frame& frame) {
    switch (step.kind) {
      case Step::Kind::input: return frame.block ? frame.input : model_input(step);
      case Step::Kind::value: return slots[static_cast<std::size_t>(step.index)];
      case Step::Kind::layer: return layer(step, value, slots, frame);
      case Step::Kind::block: return block(step, value, slots, frame);
      case Step::Kind::unknown: break;
    }
    if (!step.element->name.text.empty()) ++frame.counts[step.element->name.text];
    return kUnknown;
  }

  // `input(28x28x1)`, or a later plain `input`.
  int model_input(const Step& step) {
    if (step.arguments.values.empty()) return image_ ? kInputUse : kUnknown;
    const Expression& expression = *step.arguments.values[0];
    const auto dims = check_input_size(expression, mistakes_);
    if (!dims) return kUnknown;
    try {
      image_ = build_image(expansion_.builder, *dims, ScalarType::f32);
    } catch (const Error& error) {
      mistakes_.add(expression.location, error.what());
      return kUnknown;
    }
    expansion_.input = *dims;
    return kInputUse;
  }

  std::optional<Evaluated> value_of(const Expression& expression, const Frame& frame) {
    const Lookup lookup = [&](std::string_view name) -> const Evaluated* {
      if (!frame.block) return nullptr;
      const auto& names = frame.block->parameters;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) return frame.parameters[i] ? &*frame.parameters[i] : &unknown_;
      }
      return nullptr;
    };
    // A parameter with a mistake of its own makes what is computed from it unknown, silently.
    for (const Term& term : expression.terms) {
      if (term.kind == Term::Kind::word && lookup(term.text) == &unknown_) return std::nullopt;
    }
    return evaluate(expression, lookup, known(frame), mistakes_);
  }

  const std::vector<std::string>& known(const Frame& frame) const {
    static const std::vector<std::string> none;
    return frame.block ? frame.block->parameters : none;
  }

  // The name of a layer or block use within the whole model.
  std::string name_of(const Step& step, Frame& frame) {
    const auto kind = step.element->name.text;
    const int number = ++frame.counts[kind];
    std::string name = fmt::format("{}{}", kind, number);
    Location location = step.element->name.location;
    if (const Expression* given = step.arguments.name) {
      const auto evaluated = value_of(*given, frame);
      location = given->location;
      const auto* word = evaluated ? std::get_if<std::string>(&evaluated->value) : nullptr;
      if (word && is_name(*word)) {
        name = *word;
      } else if (evaluated) {
        report(frame, location,
               word ? fmt::format("`{}` cannot be a name", *word)
                    : fmt::format("a name is a word, not {}", describe(evaluated->value)),
               "a name has letters, digits and _");
      }
    }
    name = frame.prefix + name;
    const auto [first, added] = names_.emplace(name, location.line);
    if (!added) {
      report(frame, location, fmt::format("the name `{}` is taken in line {}", name, first->second),
             "layers without `name=` are named by their kind and number");
    }
    return name;
  }

  int layer(const Step& step, int value, const std::vector<int>& slots, Frame& frame) {
    const LayerDef& def = *step.layer;
    const Location location = step.element->name.location;
    LayerUse use{def.name, name_of(step, frame), {}, {}, location};
    if (!step.begins_chain) use.inputs.push_back(value);
    bool ok = step.begins_chain || value != kUnknown;
    for (std::size_t i = 0; i < def.arguments.size(); ++i) {
      const ArgumentDef& argument = def.arguments[i];
      const Expression* given = step.arguments.values[i];
      if (!given) {
        if (argument.fallback) use.arguments.set(argument.name, *argument.fallback);
        continue;
      }
      const auto evaluated = value_of(*given, frame);
      const auto converted =
          evaluated ? convert_in(frame, *evaluated, argument, def.name, *given) : std::nullopt;
      if (converted) use.arguments.set(argument.name, *converted);
      ok = ok && converted;
    }
    for (const Operand& operand : step.operands) {
      use.inputs.push_back(operand_use(operand, slots, frame, def.name));
      ok = ok && use.inputs.back() != kUnknown;
    }
    if (!count_layer(frame, location) || !ok) return kUnknown;
    return build(def, std::move(use), frame);
  }

  std::optional<AttributeValue> convert_in(const Frame& frame, const Evaluated& evaluated,
                                           const ArgumentDef& argument, std::string_view callee,
                                           const Expression& expression) {
    return convert(evaluated, argument, callee, expression, known(frame), where(frame), mistakes_);
  }

  // The model's input is no value before its size is known to be good.
  int slot_use(const std::vector<int>& slots, int slot) const {
    const int use = slots[static_cast<std::size_t>(slot)];
    return use == kInputUse && !image_ ? kUnknown : use;
  }

  int operand_use(const Operand& operand, const std::vector<int>& slots, const Frame& frame,
                  std::string_view callee) {
    if (operand.slot >= 0) return slot_use(slots, operand.slot);
    if (operand.parameter < 0) return kUnknown;
    const auto& parameter = frame.parameters[static_cast<std::size_t>(operand.parameter)];
    if (!parameter) return kUnknown;
    if (parameter->use) return *parameter->use;
    report(
        frame, operand.expression->location,
        fmt::format("`{}` needs the name of a value, not {}", callee, describe(parameter->value)));
    return kUnknown;
  }

  bool count_layer(const Frame& frame, Location location) {
    if (++layers_ <= kMaxLayers) return true;
    const Frame* outer = &frame;
    while (outer->caller && outer->caller->block) outer = outer->caller;
    if (outer->block) location = outer->use;
    mistakes_.add(location, fmt::format("the model has more than {} layers", kMaxLayers),
                  "counted after blocks are expanded");
    stopped_ = true;
    return false;
  }

  int build(const LayerDef& def, LayerUse use, const Frame& frame) {
    std::vector<Value> inputs;
    for (const int input : use.inputs) {
      inputs.push_back(input == kInputUse ? *image_ : values_[static_cast<std::size_t>(input)]);
    }
    const std::size_t parameters_before = parameters_.size();
    try {
      LayerContext context(expansion_.builder, mode_, ScalarType::f32, use.name, use.arguments,
                           std::move(inputs), parameters_);
      values_.push_back(def.build(context));
    } catch (const Error& error) {
      report(frame, use.location, build_message(def.name, error));
      return kUnknown;
    }
    check_totals(frame, use.location, parameters_before);
    expansion_.layers.push_back(std::move(use));
    return static_cast<int>(values_.size()) - 1;
  }

  void check_totals(const Frame& frame, Location location, std::size_t parameters_before) {
    std::int64_t added = 0;
    for (std::size_t i = parameters_before; i < parameters_.size(); ++i) {
      added += element_count(parameters_[i].type.dims, 1);
    }
    const auto activations = element_count(expansion_.builder.type(values_.back()).dims, 1);
    const auto message = totals_.add(added, activations);
    if (!message.empty()) report(frame, location, message);
  }

  int block(const Step& step, int value, const std::vector<int>& slots, Frame& caller) {
    const ResolvedBlock& definition = resolved_.blocks[static_cast<std::size_t>(step.index)];
    const Location location = step.element->name.location;
    Frame frame;
    frame.body = &definition.body;
    frame.block = &definition;
    frame.prefix = name_of(step, caller) + ".";
    frame.input = value;
    frame.caller = &caller;
    frame.use = location;
    frame.depth = caller.depth + 1;
    if (frame.depth > kMaxBlockDepth) {
      report(caller, location, fmt::format("blocks are nested more than {} deep", kMaxBlockDepth));
      return kUnknown;
    }
    for (std::size_t i = 0; i < definition.parameters.size(); ++i) {
      frame.parameters.push_back(block_argument(step, i, slots, caller, definition));
    }
    const auto before = layers_;
    const int output = expand_body(frame);
    if (layers_ != before || stopped_) return output;
    // Without this, blocks without layers that use each other twice would take for ever.
    count_layer(caller, location);
    if (output != kUnknown) {
      mistakes_.add(definition.syntax->name.location,
                    fmt::format("block `{}` has no layer", definition.syntax->name.text));
    }
    return kUnknown;
  }

  std::optional<Evaluated> block_argument(const Step& step, std::size_t index,
                                          const std::vector<int>& slots, const Frame& caller,
                                          const ResolvedBlock& definition) {
    const Expression* given = step.arguments.values[index];
    if (!given) {
      const auto& fallback = definition.syntax->parameters[index].fallback;
      return evaluate(
          *fallback, [](std::string_view) { return nullptr; }, {}, mistakes_);
    }
    auto evaluated = value_of(*given, caller);
    const int slot = step.slots[index];
    if (!evaluated || slot < 0) return evaluated;
    if (slot_use(slots, slot) == kUnknown) return std::nullopt;
    evaluated->use = slot_use(slots, slot);
    return evaluated;
  }

  const Resolved& resolved_;
  Mistakes& mistakes_;
  Mode mode_;  // what a model is for: one without a train section only runs
  Expansion expansion_;
  std::optional<Value> image_;
  std::vector<Value> values_;  // of each layer
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t, std::less<>> names_;  // of layers and block uses -> line
  std::size_t layers_ = 0;                                 // with those that have a mistake
  Totals totals_;
  bool stopped_ = false;
  const Evaluated unknown_{};
};

}  // namespace

Expansion expand(const Resolved& resolved, const Language& language, std::int64_t batch,
                 Mistakes& mistakes) {
  return Expander(resolved, language, batch, mistakes).run();
}

}  // namespace cnnc::frontend
