// Resolves one body; resolve.cpp calls it for the model and for each block.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/resolve.h"

namespace cnnc::frontend {

/// What bodies can name besides their own values.
struct Names {
  const Language* language = nullptr;
  std::map<std::string_view, int> blocks;  // index in `definitions`
  std::vector<const BlockSyntax*> definitions;
  std::vector<char> used;             // a flag a block
  std::vector<std::string> callable;  // layers and blocks, for suggestions
};

/// `owner`: "model `mnist`", for messages. `parameters` is null for the model.
ResolvedBody resolve_body(const Body& body, const std::string& owner, Location owner_location,
                          const std::vector<BlockParameter>* parameters, Names& names,
                          Mistakes& mistakes);

}  // namespace cnnc::frontend
