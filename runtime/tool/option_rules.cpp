#include "runtime/tool/option_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/io/output_file.h"

namespace cnnc {
namespace {

struct CommandName {
  Command command;
  std::string_view flag;
};
constexpr CommandName kCommands[] = {
    {Command::train, "--train"},
    {Command::evaluate, "--eval"},
    {Command::predict, "--predict"},
    {Command::show_data, "--show-data"},
    {Command::emit, "--emit"},
    {Command::run_passes, "--run"},
    {Command::interpret, "--interpret"},
    {Command::diff, "--diff"},
    {Command::time_passes, "--time-passes"},
    {Command::bench, "--bench"},
    {Command::explain, "--explain"},
    {Command::list_ops, "--list-ops"},
    {Command::list_layers, "--list-layers"},
    {Command::list_passes, "--list-passes"},
};

struct Applicability {
  std::string_view flag;
  std::vector<Command> commands;
};

/// Which flags mean something to which commands: everything else is a contradiction, and said so.
const std::vector<Applicability>& applicability() {
  using enum Command;
  static const std::vector<Applicability> table = {
      {"--epochs", {train}},
      {"--steps", {train}},
      {"--lr", {train}},
      {"--seed", {train, interpret}},
      {"--no-shuffle", {train}},
      {"--init", {train}},
      {"--metrics", {train}},
      {"--overwrite", {train}},
      {"--batch", {train, emit, run_passes, interpret, diff, time_passes, bench, explain}},
      {"--threads", {train, evaluate, predict, bench, explain, time_passes}},
      {"--precision",
       {train, evaluate, predict, emit, run_passes, interpret, diff, time_passes, bench, explain}},
      {"--target",
       {train, evaluate, predict, emit, run_passes, interpret, diff, time_passes, bench, explain}},
      {"--skip", {train, evaluate, predict, emit, diff, time_passes, bench, explain}},
      {"--check-bounds", {train, evaluate, predict}},
      {"--profile", {bench}},
      {"--rounds", {bench}},
      {"--json", {bench, explain}},
      {"--weights", {evaluate, predict}},
      {"--data", {train, evaluate, predict, show_data}},
      {"--output", {train, emit, run_passes, interpret, diff, time_passes}},
      {"--for", {emit, run_passes, interpret, diff, time_passes}},
      {"--kernel", {emit, diff, run_passes}},
      {"--run", {run_passes, interpret}},
      {"--inputs", {interpret}},
      {"--stop-after", {emit, time_passes}},
  };
  return table;
}

struct NamedFile {
  std::string_view flag;
  std::filesystem::path path;
};

/// Whether the file that -o writes is the model's own next version.
bool rewrites_model(const Options& options) {
  const auto extension = std::filesystem::path(options.model).extension();
  if (options.command == Command::interpret) return false;
  return options.stage == "model" || extension == ".graph" || extension == ".loops";
}

bool given(const CLI::App& app, std::string_view flag) {
  return app.get_option(std::string(flag))->count() > 0;
}

}  // namespace

void check_distinct_files(const Options& options) {
  std::vector<NamedFile> read, written;
  const auto note = [](std::vector<NamedFile>& files, std::string_view flag,
                       const std::string& path) {
    if (!path.empty()) files.push_back({flag, path});
  };
  const bool default_weights = options.command == Command::train && options.output.empty();
  note(written, "-o",
       default_weights ? std::filesystem::path(options.model).stem().string() + ".safetensors"
                       : options.output);
  note(written, "--metrics", options.metrics);
  note(written, "--json", options.json);
  note(written, "--show-data", options.picture);
  note(read, "MODEL", options.model);
  note(read, "--inputs", options.inputs);
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto refuse = [&](const NamedFile& other) {
      throw UsageError(fmt::format("{} and {} are the same file, {}", other.flag, written[i].flag,
                                   written[i].path.string()));
    };
    for (const auto& file : read) {
      if (file.flag == "MODEL" && written[i].flag == "-o" && rewrites_model(options)) continue;
      if (is_same_file(file.path, written[i].path)) refuse(file);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (is_same_file(written[j].path, written[i].path)) refuse(written[j]);
    }
  }
  // Weights may be read and written again, but their file is opened for the metrics at once.
  if (!options.metrics.empty() && !options.init.empty() &&
      is_same_file(options.metrics, options.init))
    throw UsageError(fmt::format("--init and --metrics are the same file, {}", options.metrics));
}

std::string_view flag_of(Command command) {
  for (const auto& row : kCommands) {
    if (row.command == command) return row.flag;
  }
  return "MODEL alone";
}

bool is_command(std::string_view flag) {
  return std::ranges::any_of(kCommands, [&](const auto& row) { return row.flag == flag; });
}

Command choose_command(const CLI::App& app) {
  Command chosen = Command::summary;
  for (const auto& row : kCommands) {
    if (!given(app, row.flag)) continue;
    if (row.command == Command::run_passes && given(app, "--interpret")) continue;  // its own first
    if (chosen != Command::summary) {
      throw UsageError(fmt::format("{} and {} contradict each other: give one of them",
                                   flag_of(chosen), row.flag));
    }
    chosen = row.command;
  }
  if (chosen == Command::summary && given(app, "--stop-after")) return Command::emit;
  return chosen;
}

void check_applicability(const CLI::App& app, Command command) {
  for (const auto& row : applicability()) {
    if (!given(app, row.flag) || std::ranges::find(row.commands, command) != row.commands.end())
      continue;
    std::string fits;
    for (const Command other : row.commands) {
      fits += fmt::format("{}{}", fits.empty() ? "" : " or ", flag_of(other));
    }
    const std::string_view shown = row.flag == "--output" ? "-o" : row.flag;
    throw UsageError(
        command == Command::summary
            ? fmt::format("{} needs {}", shown, fits)
            : fmt::format("{} needs {}; it means nothing to {}", shown, fits, flag_of(command)));
  }
}

}  // namespace cnnc
