#include "runtime/tool/unknown_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/base/diagnostic.h"
#include "runtime/tool/option_rules.h"
#include "runtime/tool/options.h"

namespace cnnc {
namespace {

/// --Batch_Size=3 -> batch-size
std::string bare(std::string_view flag) {
  flag = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
  std::string name(flag.substr(0, flag.find('=')));
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  return name;
}

/// The flag that `written` most likely stands for, with its dashes; empty where none is near.
std::string nearest_flag(const CLI::App& app, std::string_view written) {
  const std::string word = bare(written);
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back(name);
  std::string near = closest(word, names);
  if (std::ranges::find(names, word) != names.end()) near = word;
  // --learning-rate: as the description of --lr begins.
  std::string phrase = word;
  std::ranges::replace(phrase, '-', ' ');
  for (const CLI::Option* option : app.get_options())
    if (near.empty() && phrase.size() >= 3 && option->get_description().starts_with(phrase))
      near = option->get_lnames().empty() ? "" : option->get_lnames()[0];
  return near.empty() ? near : "--" + near;
}

void refuse_flags(const CLI::App& app, const std::vector<std::string>& flags) {
  if (flags.empty()) return;
  std::vector<std::string> shown;
  for (const auto& flag : flags) {
    const std::string name = flag.substr(0, flag.find('='));
    const std::string near = nearest_flag(app, flag);
    const std::string_view form =
        flags.size() == 1 ? "{}; did you mean {}?" : "{} (did you mean {}?)";
    shown.push_back(near.empty() ? name : fmt::format(fmt::runtime(form), name, near));
  }
  throw UsageError(
      fmt::format("unknown flag{} {}", flags.size() == 1 ? "" : "s", fmt::join(shown, ", ")));
}

/// The command that a word without dashes names, such as train, where it is no file.
std::optional<std::string> command_of(const CLI::App& app, const std::string& word) {
  if (word.find_first_of("./") != word.npos || word.starts_with('-') ||
      std::filesystem::exists(word))
    return std::nullopt;
  const std::string near = nearest_flag(app, word);
  if (near == "--help" || near == "--version" || (!near.empty() && is_command(near))) return near;
  return std::nullopt;
}

/// `cnnc x.model --train --epochs 3` for `train x.model --epochs 3`.
std::string as_flag(const std::string& word, const std::string& flag,
                    const std::vector<std::string>& others,
                    std::span<const char* const> arguments) {
  const auto is_model = [](const std::string& path) { return std::filesystem::exists(path); };
  const auto found = std::ranges::find_if(others, is_model);
  std::string model = found != others.end() ? *found : others.empty() ? "MODEL" : others.front();
  if (flag == "--help" || flag == "--version") return "cnnc " + flag;
  std::string text = fmt::format("cnnc {} {}", model, flag);
  bool word_left = true, model_left = true;
  for (const std::string argument : arguments) {
    if (word_left && argument == word) {
      word_left = false;
    } else if (model_left && argument == model) {
      model_left = false;
    } else {
      text += " " + argument;
    }
  }
  return text;
}

}  // namespace

void refuse_unknown(const CLI::App& app, const std::string& model,
                    std::span<const char* const> arguments) {
  const auto extras = app.remaining();
  // CLI11 takes -output for -o utput.
  const auto misses_a_dash = [&](const std::string& argument) {
    return argument.size() > 2 && argument[0] == '-' && argument[1] != '-' &&
           app.get_option_no_throw("--" + bare(argument)) != nullptr;
  };
  std::vector<std::string> flags, words;
  for (const std::string argument : arguments) {
    const bool extra = std::ranges::find(extras, argument) != extras.end();
    if (argument.starts_with('-') && (extra || misses_a_dash(argument))) flags.push_back(argument);
  }
  refuse_flags(app, flags);
  if (!model.empty()) words.push_back(model);
  for (const auto& extra : extras)
    if (!extra.starts_with('-')) words.push_back(extra);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto flag = command_of(app, words[i]);
    if (!flag) continue;
    auto others = words;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    throw UsageError(fmt::format("{} is no file, and a flag begins with --; write: {}", words[i],
                                 as_flag(words[i], *flag, others, arguments)));
  }
  if (words.size() > 1)
    throw UsageError(
        fmt::format("{} belongs to no flag, and MODEL is {} already", words[1], words[0]));
}

}  // namespace cnnc
