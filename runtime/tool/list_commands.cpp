// cnnc --list-layers, --list-ops, --list-passes: a line a row, or all about the one that is named.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "frontend/arguments.h"
#include "ir/language/layer.h"
#include "runtime/compile.h"
#include "runtime/inspect/summary.h"
#include "runtime/inspect/text_table.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/inputs.h"

namespace cnnc {
namespace {

/// What can be looked up under its name.
struct Topic {
  std::string name, description, notes;
  std::vector<ArgumentDef> arguments = {};
};

/// Parts of the language that are no rows of its tables.
std::vector<Topic> parts_of_the_language() {
  return {
      {"input",
       "the images: input(height x width x channels)",
       "A pixel is a byte a channel, divided by 255. A PNG of --predict is made to fit: "
       "transparent "
       "parts are laid over a plain ground; each axis is resized on its own, by area average where "
       "it shrinks and bilinearly where it grows; grey is 0.299 R + 0.587 G + 0.114 B (Rec. 601); "
       "a grey network that learnt light on dark (mean of the borders below 64) sees a picture "
       "with a light border (mean from 128) inverted, x becoming 255 - x. What was done is said "
       "beside the picture.",
       {}},
      {"block",
       "layers under one name: block residual(c) { input -> ... }",
       "input is the value in front of its arrow. A chain begins with input, a value's name, or a "
       "layer that takes several values: add(a, b). The last chain without a name is the result. "
       "Parameters are numbers, sizes, words or values; 2*c + 1 computes.",
       {}},
      {"train",
       "how it is trained: data, loss, optimizer, schedule, batch, epochs",
       "Initial weights depend on the seed and the parameter's name, the order of images on the "
       "seed and the epoch. The last, smaller batch of an epoch trains too, by the mean over its "
       "own images. --init FILE takes weights and running statistics from FILE; momentum, steps, "
       "epochs, the schedule and the order of images begin again. --steps N stops after N steps "
       "and leaves the schedule that of whole epochs.",
       {}},
  };
}

/// "(default 1)", where a person could write it: a size of 0x0 stands for what the description
/// says.
std::string default_text(const ArgumentDef& argument) {
  if (!argument.fallback || !frontend::violated_range(*argument.fallback, argument).empty())
    return {};
  return fmt::format(" (default {})", argument_text(argument, *argument.fallback));
}

void print_arguments(std::span<const ArgumentDef> arguments) {
  for (const auto& argument : arguments)
    fmt::print("{}", wrapped(fmt::format("{:<16} {}{}", argument.name, argument.description,
                                         default_text(argument)),
                             6, 23));
}

void print_row(const Topic& topic) {
  fmt::print("{}", wrapped(fmt::format("{:<18} {}", topic.name, topic.description), 2, 21));
  print_arguments(topic.arguments);
}

void print_in_full(const Topic& topic) {
  fmt::print("{}", wrapped(fmt::format("{}: {}", topic.name, topic.description), 0, 2));
  print_arguments(topic.arguments);
  if (!topic.notes.empty()) fmt::print("\n{}", wrapped(topic.notes, 2, 2));
}

template <class Table>
std::vector<Topic> topics_of(const Table& table) {
  std::vector<Topic> topics;
  for (const auto& [name, row] : table)
    topics.push_back({name, row->description, row->notes, row->arguments});
  return topics;
}

struct Section {
  std::string title;
  std::vector<Topic> topics;
};

/// All rows, or the one that `name` names. Throws UsageError where there is none.
int list(const std::vector<Section>& sections, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& section : sections) {
    if (name.empty() && !section.title.empty()) fmt::print("{}\n", section.title);
    for (const auto& topic : section.topics) {
      names.push_back(topic.name);
      if (name.empty()) {
        print_row(topic);
      } else if (topic.name == name) {
        print_in_full(topic);
        return 0;
      }
    }
  }
  if (!name.empty()) throw_unknown("name", name, names);
  return 0;
}

}  // namespace

int run_list_ops(const Options& options) {
  const OpTable ops = OpTable::standard();
  std::vector<Topic> topics;
  for (const auto& [name, op] : ops.all()) {
    std::string notes = op->notes;
    if (!op->attributes.empty())
      notes = fmt::format("Attributes: {}. {}", fmt::join(op->attributes, ", "), notes);
    topics.push_back({name, op->description, std::move(notes), {}});
  }
  return list({{"", std::move(topics)}}, options.listed);
}

int run_list_layers(const Options& options) {
  const Language language = Language::standard();
  return list({{"layers", topics_of(language.layers)},
               {"losses", topics_of(language.losses)},
               {"optimizers", topics_of(language.optimizers)},
               {"schedules", topics_of(language.schedules)},
               {"around them", parts_of_the_language()}},
              options.listed);
}

int run_list_passes(const Options& options) {
  std::vector<Section> groups;
  for (const auto& pass : list_passes()) {
    const std::string title = fmt::format("{} ({})", pass.group, pass.level);
    if (groups.empty() || groups.back().title != title) groups.push_back({title, {}});
    const bool bits = pass.preserves == Preserves::bits;
    groups.back().topics.push_back(
        {pass.stage, fmt::format("{:<5} {}", bits ? "bits" : "bound", pass.description),
         fmt::format("It makes {}. {} {}",
                     pass.level == "graph" ? "a graph of a graph" : "a program of loops",
                     bits ? "Every bit of every result stays as it was."
                          : "Results stay within the rounding errors that its header "
                            "in passes/ states.",
                     pass.required ? "It cannot be skipped: what follows needs it."
                                   : "--skip leaves it out.")});
  }
  // A group's name stands for its passes.
  for (const Section& group : groups)
    if (!options.listed.empty() && group.title.starts_with(options.listed + " ")) {
      fmt::print("{}: --skip, --run, --diff and --emit take the group for all of these\n",
                 options.listed);
      for (const Topic& topic : group.topics) print_row(topic);
      return 0;
    }
  return list(groups, options.listed);
}

}  // namespace cnnc
