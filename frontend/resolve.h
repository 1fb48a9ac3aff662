// Names -> what they mean, once for every body whatever it is used with: layers, blocks, values.
#pragma once

#include <optional>
#include <vector>

#include "frontend/arguments.h"
#include "frontend/ast.h"
#include "ir/language/layer.h"

namespace cnnc::frontend {

/// A value that a layer takes besides the one in front of the arrow.
struct Operand {
  int slot = -1;       // of the body's values, or
  int parameter = -1;  // of the block's parameters
  const Expression* expression = nullptr;
};

/// One element of a chain.
struct Step {
  enum class Kind : std::uint8_t { input, value, layer, block, unknown };
  Kind kind = Kind::unknown;  // unknown: a mistake was reported
  const Element* element = nullptr;
  int index = -1;             // value: its slot; block: in Program::blocks
  bool begins_chain = false;  // a layer that takes its arguments alone: add(a, b)
  const LayerDef* layer = nullptr;
  Bound arguments;
  std::vector<Operand> operands;
  std::vector<int> slots;  // block: of each argument, the value that it names, or -1
};

struct Chain {
  std::vector<Step> steps;
  int target = -1;  // the slot of the value that it defines
};

/// Slot 0 is the input.
struct ResolvedBody {
  std::vector<Chain> chains;
  int slots = 1;
  int output = -1;  // index of the chain without a name; -1: a mistake was reported
};

struct ResolvedBlock {
  const BlockSyntax* syntax = nullptr;
  std::vector<std::string> parameters;
  ResolvedBody body;
};

/// Views into the syntax and the language, which must outlive it.
struct Resolved {
  const ModelSyntax* model = nullptr;
  const TrainSyntax* train = nullptr;
  ResolvedBody body;
  std::vector<ResolvedBlock> blocks;
};

Resolved resolve(const Syntax& syntax, const Language& language, Mistakes& mistakes);

/// Reports blocks that use themselves, directly or through others, and turns those uses into
/// unknown steps.
void break_cycles(std::vector<ResolvedBlock>& blocks, Mistakes& mistakes);

}  // namespace cnnc::frontend
