// The names that a body can use, and which of them it has used.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/resolve.h"

namespace cnnc::frontend {

inline constexpr std::string_view kInput = "input";

/// What every body can name.
struct Names {
  const Language* language = nullptr;
  std::map<std::string_view, int> blocks;  // index in `definitions`
  std::vector<const BlockSyntax*> definitions;
  std::vector<char> used;             // a flag a block
  std::vector<std::string> callable;  // layers and blocks, for suggestions
  bool offered = false;               // they were listed in a message

  /// Whether it is a layer that takes several values.
  bool joins(std::string_view name) const {
    const auto layer = language->layers.find(name);
    return layer != language->layers.end() &&
           (layer->second->inputs < 0 || layer->second->inputs > 1);
  }
  /// "did you mean `relu`?" for the name that others give a layer, or for a relative of it.
  std::string relative(std::string_view word, const Mistakes& mistakes) const;
  /// "there are add, avgpool, ...", once a text.
  std::string offer();
  bool is_callable(std::string_view name) const {
    return language->layers.contains(name) || blocks.contains(name);
  }
};

/// What one body can name: its values and the parameters of its block.
struct Scope {
  struct NamedValue {
    int slot = 0;
    Location location;
    bool used = false;
  };
  struct Parameter {
    int index = 0;
    Location location;
    bool used = false;
  };

  std::map<std::string_view, NamedValue> values;
  std::map<std::string_view, Parameter> parameters;
  std::map<std::string_view, Location> later;  // where each name is defined first
  bool unclear = false;  // text was skipped or a name not understood: what seems unused may not be

  /// The slot of a value, or -1. Marks it as used.
  int use_value(std::string_view name) {
    const auto found = values.find(name);
    if (found == values.end()) return -1;
    found->second.used = true;
    return found->second.slot;
  }
  /// The index of a parameter, or -1. Marks it as used.
  int use_parameter(std::string_view name) {
    const auto found = parameters.find(name);
    if (found == parameters.end()) return -1;
    found->second.used = true;
    return found->second.index;
  }
  void add_values(std::vector<std::string>& candidates) const {
    for (const auto& [name, value] : values) candidates.emplace_back(name);
  }
};

/// `owner`: "model `mnist`", for messages. `parameters` is null for the model.
ResolvedBody resolve_body(const Body& body, const std::string& owner, Location owner_location,
                          const std::vector<BlockParameter>* parameters, Names& names,
                          Mistakes& mistakes);

/// The use of a layer or block that `step.element` names: its kind, arguments and operands. Where
/// step.begins_chain, all values that it takes are arguments.
void resolve_use(Step& step, Scope& scope, Names& names, Mistakes& mistakes);

}  // namespace cnnc::frontend
