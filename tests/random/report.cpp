#include "tests/random/report.h"

#include <nlohmann/json.hpp>

namespace cnnc::testing {
namespace {

using Counts = std::map<std::string, std::int64_t>;

/// Every count of the statistics, under its name.
template <class Of, class F>
void each(Of& statistics, const F& f) {
  f("networks", statistics.networks);
  f("with_branches", statistics.branched);
  f("exact", statistics.exact);
  f("compiled_programs", statistics.compiled);
  f("comparisons", statistics.compared);
  f("batch_splits", statistics.splits);
  f("routed_gradients", statistics.routed);
  f("directional_derivatives", statistics.directions);
  f("near_kinks", statistics.near_kinks);
  f("passes", statistics.passes);
  f("ops", statistics.ops);
  f("layers", statistics.layers);
  f("arguments", statistics.arguments);
  f("configurations", statistics.configurations);
  f("batches", statistics.batches);
}

template <class Rows>
void add_rows(Counts& rows, const std::string& kind, const Rows& from) {
  for (const auto& [name, row] : from) {
    rows.emplace(kind.empty() ? name : kind + " " + name, 0);
  }
}

template <class Rows>
void add_arguments(Counts& arguments, const Rows& from) {
  for (const auto& [name, row] : from)
    for (const ArgumentDef& def : row->arguments) arguments.emplace(name + "." + def.name, 0);
}

Counts all_layers(const Language& language) {
  Counts rows;
  add_rows(rows, "", language.layers);
  add_rows(rows, "loss", language.losses);
  add_rows(rows, "optimizer", language.optimizers);
  add_rows(rows, "schedule", language.schedules);
  return rows;
}

Counts all_arguments(const Language& language) {
  Counts arguments;
  add_arguments(arguments, language.layers);
  add_arguments(arguments, language.losses);
  add_arguments(arguments, language.optimizers);
  add_arguments(arguments, language.schedules);
  return arguments;
}

Counts all_ops(const Language& language) {
  Counts ops;
  for (const auto& [name, op] : language.ops.all()) ops.emplace(name, 0);
  return ops;
}

Counts all_passes() {
  Counts passes;
  for (const PassInfo& pass : list_passes()) passes.emplace(pass.stage, 0);
  for (const std::string& group : list_groups()) passes.emplace("group " + group, 0);
  return passes;
}

std::int64_t count_of(const Counts& counts, const std::string& name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

std::string report(const Statistics& statistics, const Language& language) {
  const double all = static_cast<double>(std::max<std::int64_t>(statistics.networks, 1));
  std::string text;
  const auto table = [&](std::string_view title, Counts rows, const Counts& counts) {
    rows.insert(counts.begin(), counts.end());
    text += fmt::format("\n{}\n", title);
    for (const auto& [name, zero] : rows) {
      const std::int64_t n = count_of(counts, name);
      text +=
          fmt::format("  {:<36} {:>7} {:>7.1f} %\n", name, n, 100 * static_cast<double>(n) / all);
    }
  };
  table("passes that changed a network", all_passes(), statistics.passes);
  table("ops", all_ops(language), statistics.ops);
  table("layers", all_layers(language), statistics.layers);
  table("arguments other than the default", all_arguments(language), statistics.arguments);
  table("configurations of machine code", {}, statistics.configurations);
  text += "\n";
  each(statistics, [&](std::string_view name, const auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::int64_t>)
      text += fmt::format("{:<25} {:>9}\n", name, value);
  });
  return text;
}

std::string json_of(const Statistics& statistics, std::int64_t mismatches) {
  nlohmann::ordered_json json;
  json["mismatches"] = mismatches;
  each(statistics, [&](const char* name, const auto& value) { json[name] = value; });
  return json.dump(2);
}

Statistics statistics_of(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json);
  Statistics result;
  each(result, [&](const char* name, auto& value) { parsed.at(name).get_to(value); });
  return result;
}

std::vector<std::string> too_rare(const Statistics& statistics, const Language& language) {
  std::vector<std::string> complaints;
  const auto share = [&](std::int64_t n) {
    return static_cast<double>(n) /
           static_cast<double>(std::max<std::int64_t>(1, statistics.networks));
  };
  const auto unknown = [&](std::string_view kind, const Counts& rows, const Counts& counts) {
    for (const auto& [name, zero] : rows)
      if (count_of(counts, name) == 0)
        complaints.push_back(fmt::format(
            "the generator of random networks does not know the {} `{}`: none of {} networks has "
            "it; teach it in tests/random/generate.cpp or op_layers.cpp",
            kind, name, statistics.networks));
  };
  unknown("layer", all_layers(language), statistics.layers);
  unknown("argument", all_arguments(language), statistics.arguments);
  unknown("op", all_ops(language), statistics.ops);
  // What is made for few shapes alone is in few networks; its group is in many.
  for (const auto& [name, zero] : all_passes()) {
    const double least = name.starts_with("group ") ? 0.05 : 0.001;
    if (name != "lower" && share(count_of(statistics.passes, name)) < least)
      complaints.push_back(fmt::format("the pass `{}` changes {} of {} networks, under {} %", name,
                                       count_of(statistics.passes, name), statistics.networks,
                                       100 * least));
  }
  if (share(statistics.branched) < 0.3)
    complaints.push_back(fmt::format("{} of {} networks have branches, under 30 %",
                                     statistics.branched, statistics.networks));
  return complaints;
}

}  // namespace cnnc::testing
