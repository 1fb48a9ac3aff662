#include "tests/random/network.h"

#include <fmt/ranges.h>

#include <set>

#include "tests/random/choices.h"

namespace cnnc::testing {
namespace {

/// The parameter's name in every block.
constexpr std::string_view kParameter = "c";

class Writer {
 public:
  Writer(const Network& network, const Language& language)
      : network_(network), language_(language), choices_(network.style, 1) {}

  std::string run() {
    for (const NetworkBlock& block : network_.blocks) {
      text_ += comment() + fmt::format("block {}", block.name);
      if (block.parameter_step >= 0) {
        const Step& step = block.steps.at(static_cast<std::size_t>(block.parameter_step));
        text_ +=
            fmt::format("({}={})", kParameter, step.arguments.integer(block.parameter_argument));
      }
      body(block.steps, &block);
    }
    text_ += comment() + "model random";
    body(network_.steps, nullptr);
    train();
    return std::move(text_);
  }

 private:
  bool styled(double probability) { return network_.style != 0 && choices_.chance(probability); }
  std::string comment() { return styled(0.1) ? "# what a person might note\n" : ""; }
  std::string arrow() {
    const std::string sign = styled(0.2) ? "→" : "->";
    if (styled(0.2)) return "\n    " + sign + " ";
    return styled(0.1) ? sign : " " + sign + " ";
  }

  void body(const std::vector<Step>& steps, const NetworkBlock* block) {
    text_ += " {\n";
    // A step needs a name unless it is used once, in front of the arrow of the step after it.
    std::vector<int> uses(steps.size());
    std::vector<bool> named(steps.size());
    bool input_written = false;
    for (std::size_t i = 0; i < steps.size(); ++i)
      for (std::size_t k = 0; k < steps[i].inputs.size(); ++k) {
        const int input = steps[i].inputs[k];
        if (input == kBodyInput) continue;
        const auto from = static_cast<std::size_t>(input);
        if (++uses[from] > 1 || k > 0 || from + 1 != i) named[from] = true;
      }
    for (std::size_t i = 0; i + 1 < steps.size(); ++i)
      if (styled(0.1)) named[i] = true;
    // The model's input may be needed by name: then it is named at its only definition.
    const bool input_named = block == nullptr && needs_input_name(steps);
    if (input_named) {
      text_ += fmt::format("  in = input({})\n", fmt::join(network_.input, "x"));
      input_written = true;
    }
    bool open = false;  // a chain that goes on
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      if (!open) {
        text_ += comment() + "  ";
        std::size_t last = i;
        while (!named[last] && last + 1 < steps.size()) ++last;
        if (last + 1 < steps.size()) text_ += fmt::format("v{} = ", last);
        const int from = step.inputs.front();
        if (step.inputs.size() > 1 && (from != kBodyInput || block != nullptr || input_named) &&
            styled(0.5)) {
          text_ += element(step, block, i, input_named, 0);
          open = end_element(named, i);
          continue;
        }
        if (from != kBodyInput) {
          text_ += fmt::format("v{}", from) + arrow();
        } else if (block != nullptr) {
          text_ += "input" + arrow();
        } else if (input_named) {
          text_ += "in" + arrow();
        } else {
          text_ +=
              input_written ? "input" : fmt::format("input({})", fmt::join(network_.input, "x"));
          text_ += arrow();
          input_written = true;
        }
      }
      text_ += element(step, block, i, input_named, 1);
      open = end_element(named, i);
    }
    text_ += "}\n";
  }

  /// Whether the chain goes on behind step i.
  bool end_element(const std::vector<bool>& named, std::size_t i) {
    const bool open = !named[i] && i + 1 < named.size();
    text_ += open ? arrow() : "\n";
    return open;
  }

  static bool needs_input_name(const std::vector<Step>& steps) {
    for (const Step& step : steps)
      for (std::size_t k = 1; k < step.inputs.size(); ++k)
        if (step.inputs[k] == kBodyInput) return true;
    return false;
  }

  /// `first`: 0 where all values that it takes are arguments, 1 where the first stands in front.
  std::string element(const Step& step, const NetworkBlock* block, std::size_t index,
                      bool input_named, std::size_t first) {
    std::vector<std::string> arguments;
    for (std::size_t k = first; k < step.inputs.size(); ++k) {
      const int input = step.inputs[k];
      arguments.push_back(input != kBodyInput ? fmt::format("v{}", input)
                          : input_named       ? "in"
                                              : "input");
    }
    const auto value_of = [&](const std::string& name, const AttributeValue& value) {
      const bool parameter = block != nullptr && block->parameter_step == static_cast<int>(index) &&
                             block->parameter_argument == name;
      return parameter ? std::string(kParameter) : value_text(value);
    };
    std::set<std::string> written;
    if (const auto layer = language_.layers.find(step.what); layer != language_.layers.end())
      for (const ArgumentDef& def : layer->second->arguments) {
        const AttributeValue* value = step.arguments.find(def.name);
        if (!def.positional || value == nullptr || styled(0.1)) break;
        arguments.push_back(value_of(def.name, *value));
        written.insert(def.name);
      }
    for (const auto& [name, value] : step.arguments.all())
      if (!written.contains(name)) arguments.push_back(name + "=" + value_of(name, value));
    if (styled(0.05)) arguments.push_back(fmt::format("name=own{}", ++names_));
    if (arguments.empty()) return step.what;
    return fmt::format("{}({})", step.what, fmt::join(arguments, styled(0.2) ? "," : ", "));
  }

  std::string value_text(const AttributeValue& value) {
    if (const auto* size = std::get_if<Dims>(&value)) {
      if (size->size() == 2 && (*size)[0] == (*size)[1] && styled(0.5))
        return fmt::format("{}", (*size)[0]);
      return fmt::format("{}", fmt::join(*size, "x"));
    }
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      if (styled(0.1)) return fmt::format("{} - 2", *number + 2);
      if (*number % 2 == 0 && styled(0.1)) return fmt::format("2*{}", *number / 2);
      return fmt::format("{}", *number);
    }
    if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
    if (const auto* word = std::get_if<std::string>(&value)) return *word;
    return to_string(value);
  }

  std::string choice(const Choice& choice) {
    std::vector<std::string> arguments;
    for (const auto& [name, value] : choice.arguments.all())
      arguments.push_back(name + "=" + value_text(value));
    if (arguments.empty()) return choice.name;
    return fmt::format("{}({})", choice.name, fmt::join(arguments, ", "));
  }

  void train() {
    text_ += fmt::format("train {{\n  data = mnist  loss = {}\n", choice(network_.loss));
    text_ += fmt::format("  optimizer = {}\n", choice(network_.optimizer));
    if (network_.schedule) text_ += fmt::format("  schedule = {}\n", choice(*network_.schedule));
    text_ += fmt::format("  batch = {}  epochs = 1\n}}\n", network_.batch);
  }

  const Network& network_;
  const Language& language_;
  Choices choices_;
  std::string text_;
  int names_ = 0;
};

/// Drops what the last step does not need and renumbers.
std::vector<Step> pruned(const std::vector<Step>& steps, int* watched) {
  std::vector<bool> needed(steps.size());
  if (!needed.empty()) needed.back() = true;
  for (std::size_t i = steps.size(); i-- > 0;)
    if (needed[i])
      for (const int input : steps[i].inputs)
        if (input != kBodyInput) needed[static_cast<std::size_t>(input)] = true;
  std::vector<int> place(steps.size(), kBodyInput);
  std::vector<Step> result;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!needed[i]) continue;
    place[i] = static_cast<int>(result.size());
    result.push_back(steps[i]);
    for (int& input : result.back().inputs)
      if (input != kBodyInput) input = place[static_cast<std::size_t>(input)];
  }
  if (watched != nullptr && *watched >= 0) *watched = place[static_cast<std::size_t>(*watched)];
  return result;
}

}  // namespace

std::string text_of(const Network& network, const Language& language) {
  return Writer(network, language).run();
}

Network pruned(const Network& network) {
  Network result = network;
  result.steps = pruned(network.steps, nullptr);
  std::vector<NetworkBlock> blocks;
  for (NetworkBlock block : network.blocks) {
    bool used = false;
    for (const Step& step : result.steps) used |= step.what == block.name;
    if (!used) continue;
    block.steps = pruned(block.steps, &block.parameter_step);
    blocks.push_back(std::move(block));
  }
  result.blocks = std::move(blocks);
  return result;
}

}  // namespace cnnc::testing
