// The train section: settings, in any order, each once.
#include <algorithm>

#include "frontend/expand.h"

namespace cnnc::frontend {

namespace {

const std::vector<std::string> kKeys{"data", "loss", "optimizer", "schedule", "batch", "epochs"};

// A folder below the data folder: no path, nothing hidden.
bool is_data_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameLength && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

// Arguments that contradict each other: an Error from the row itself.
template <class Def>
void check_together(const Def&, const Attributes&) {}
void check_together(const OptimizerDef& optimizer, const Attributes& arguments) {
  if (optimizer.states) optimizer.states(arguments);
}

class TrainChecker {
 public:
  TrainChecker(const TrainSyntax& train, const Language& language, Mistakes& mistakes)
      : train_(train), language_(language), mistakes_(mistakes) {}

  TrainSettings run() {
    for (const TrainEntry& entry : train_.entries) {
      if (known(entry)) check(entry);
    }
    if (!train_.broken) check_complete();
    if (settings_.schedule.name.empty()) default_schedule();
    return std::move(settings_);
  }

 private:
  bool known(const TrainEntry& entry) {
    const auto key = entry.key.text;
    if (key.empty()) return false;  // reported by the parser
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      mistakes_.add(entry.key.location, fmt::format("unknown setting `{}`", key),
                    join_hints(mistakes_.suggest(key, kKeys),
                               fmt::format("the settings are {}", fmt::join(kKeys, ", "))));
      return false;
    }
    const auto [first, added] = seen_.emplace(key, entry.key.location.line);
    if (added) return true;
    mistakes_.add(entry.key.location,
                  fmt::format("`{}` is already set in line {}", key, first->second));
    return false;
  }

  // All that is missing in one message: a place has one.
  void check_complete() {
    std::vector<std::string> missing;
    std::string hint;
    for (const std::string_view key : {"data", "loss", "optimizer"}) {
      if (seen_.contains(key)) continue;
      missing.push_back(fmt::format("`{}`", key));
      hint = join_hints(hint, key == "data" ? "such as `data = mnist`"
                                            : fmt::format("`{} = ...`, {}", key, options(key)));
    }
    if (missing.empty()) return;
    mistakes_.add(train_.keyword.location,
                  fmt::format("the train section has no {}", fmt::join(missing, ", no ")), hint);
  }

  void check(const TrainEntry& entry) {
    if (!entry.choice && entry.value.terms.empty()) return;  // reported by the parser
    const auto key = entry.key.text;
    if (key == "data") return check_data(entry);
    if (key == "batch") return check_number(entry, settings_.batch, 1, kMaxBatch);
    if (key == "epochs") return check_number(entry, settings_.epochs, 1, kMaxEpochs);
    if (key == "loss") return check_choice(entry, language_.losses, settings_.loss);
    if (key == "optimizer") return check_choice(entry, language_.optimizers, settings_.optimizer);
    check_choice(entry, language_.schedules, settings_.schedule);
  }

  Location place(const TrainEntry& entry) const {
    return entry.choice ? entry.choice->name.location : entry.value.location;
  }

  std::optional<AttributeValue> value(const TrainEntry& entry) {
    if (entry.choice && entry.choice->parentheses) {
      mistakes_.add(place(entry), fmt::format("`{}` takes no arguments", entry.choice->name.text));
      return std::nullopt;
    }
    if (entry.choice) return std::string(entry.choice->name.text);
    const auto evaluated = evaluate(
        entry.value, [](std::string_view) { return nullptr; }, {}, mistakes_);
    return evaluated ? std::optional(evaluated->value) : std::nullopt;
  }

  void check_data(const TrainEntry& entry) {
    const auto given = value(entry);
    if (!given) return;
    const auto* name = std::get_if<std::string>(&*given);
    if (name && is_data_name(*name)) {
      settings_.data = *name;
      return;
    }
    mistakes_.add(place(entry),
                  fmt::format("`data` is the name of a data set, not {}", describe(*given)),
                  "such as `data = mnist`: letters, digits, _, - and .");
  }

  void check_number(const TrainEntry& entry, std::int64_t& setting, std::int64_t low,
                    std::int64_t high) {
    const auto given = value(entry);
    if (!given) return;
    const auto* number = std::get_if<std::int64_t>(&*given);
    if (!number) {
      mistakes_.add(place(entry), fmt::format("`{}` is a whole number, not {}", entry.key.text,
                                              describe(*given)));
    } else if (*number < low || *number > high) {
      mistakes_.add(place(entry), fmt::format("`{}` must be from {} to {}; it is {}",
                                              entry.key.text, low, high, *number));
    } else {
      setting = *number;
    }
  }

  template <class Def>
  void check_choice(const TrainEntry& entry, const Rows<Def>& rows, Choice& choice) {
    const auto key = entry.key.text;
    if (!entry.choice) {
      mistakes_.add(place(entry), fmt::format("`{}` is a name, not {}", key, format(entry.value)),
                    options(key));
      return;
    }
    const auto found = rows.find(entry.choice->name.text);
    if (found == rows.end()) {
      mistakes_.add(
          place(entry), fmt::format("unknown {} `{}`", key, entry.choice->name.text),
          join_hints(mistakes_.suggest(entry.choice->name.text, names(rows)), options(key)));
      return;
    }
    const auto arguments = check_arguments(*entry.choice, found->second->arguments, mistakes_);
    choice.name = found->first;
    if (!arguments) return;
    choice.arguments = *arguments;
    try {
      check_together(*found->second, *arguments);
    } catch (const Error& error) {
      mistakes_.add(place(entry), error.what());
    }
  }

  template <class Def>
  static std::vector<std::string> names(const Rows<Def>& rows) {
    std::vector<std::string> result;
    for (const auto& [name, row] : rows) result.push_back(name);
    return result;
  }

  std::string options(std::string_view key) const {
    const auto list = key == "loss"        ? names(language_.losses)
                      : key == "optimizer" ? names(language_.optimizers)
                                           : names(language_.schedules);
    return fmt::format("known: {}", fmt::join(list, ", "));
  }

  void default_schedule() {
    const auto found = language_.schedules.find("constant");
    if (found == language_.schedules.end()) return;
    settings_.schedule.name = "constant";
    for (const ArgumentDef& def : found->second->arguments) {
      if (def.fallback) settings_.schedule.arguments.set(def.name, *def.fallback);
    }
  }

  const TrainSyntax& train_;
  const Language& language_;
  Mistakes& mistakes_;
  TrainSettings settings_;
  std::map<std::string_view, std::size_t> seen_;  // key -> line
};

}  // namespace

TrainSettings check_train(const TrainSyntax& train, const Language& language, Mistakes& mistakes) {
  return TrainChecker(train, language, mistakes).run();
}

void check_loss(const TrainSyntax& train, const TrainSettings& settings, const Language& language,
                Expansion& expansion, Mistakes& mistakes) {
  const auto found = language.losses.find(settings.loss.name);
  if (found == language.losses.end() || !expansion.value) return;
  Location location = train.keyword.location;
  for (const TrainEntry& entry : train.entries) {
    if (entry.key.text == "loss" && entry.choice) location = entry.choice->name.location;
  }
  Builder& builder = expansion.builder;
  try {
    const Value label = builder.input("label", "data", {ScalarType::i32, {kBatch}});
    found->second->build(builder, *expansion.value, label, settings.loss.arguments);
  } catch (const Error& error) {
    mistakes.add(location, build_message(settings.loss.name, error));
  }
}

}  // namespace cnnc::frontend
