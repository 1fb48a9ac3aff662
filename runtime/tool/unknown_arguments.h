// Arguments that no flag takes: what the person most likely meant.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

namespace cnnc {

/// Throws UsageError for flags that do not exist, in the order given, each with the nearest one;
/// for a command without its dashes (`cnnc train x.model`), with what to write; for a second MODEL.
/// `app` has parsed `arguments` and allows extras.
void refuse_unknown(const CLI::App& app, const std::string& model,
                    std::span<const char* const> arguments);

}  // namespace cnnc
