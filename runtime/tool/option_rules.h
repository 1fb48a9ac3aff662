// Which flags go together.
#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

#include "runtime/tool/options.h"

namespace cnnc {

std::string_view flag_of(Command command);
/// Whether `flag` (--train) chooses what is done with MODEL.
bool is_command(std::string_view flag);

/// The one command that the flags ask for. Throws UsageError where there are two.
Command choose_command(const CLI::App& app);

/// Throws UsageError for a flag that means nothing to `command`.
void check_applicability(const CLI::App& app, Command command);

/// Throws UsageError where a file that is written would be another one that is read or written.
void check_distinct_files(const Options& options);

}  // namespace cnnc
