#include <fmt/ranges.h>

#include "tests/random/trial.h"

namespace cnnc::testing {

namespace {

/// `text` as the lines of one comment.
std::string in_comment(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "\n// ");
  return text;
}

}  // namespace

std::string test_of(const Trial& trial, const std::string& failure) {
  const auto quoted = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "\"" : ", \"") + name + "\"";
    return text;
  };
  std::string configurations;
  for (const Configuration& c : trial.configurations)
    configurations += fmt::format(
        "\n          {{.mode = Mode::{}, .target = \"{}\", .skip = {{{}}}, .tile = {{{}}}, "
        ".threads = {}, .from_text = {}, .quick = {}, .smaller_caches = {}}},",
        c.mode == Mode::train ? "train" : "infer", c.target, quoted(c.skip),
        fmt::join(c.tile, ", "), c.threads, c.from_text, c.quick, c.smaller_caches);
  return fmt::format(
      "// {}\nTEST(random_network, seed_{}) {{\n  const Trial trial{{\n      .text = R\"({})\",\n"
      "      .lane = Lane::{},\n      .real = ScalarType::{},\n      .count = {},\n"
      "      .seed = {},\n      .configurations = {{{}}}}};\n"
      "  EXPECT_EQ(failure_of(trial, random_language(), nullptr), \"\");\n}}\n",
      in_comment(failure), trial.seed, trial.text, name_of(trial.lane), name_of(trial.real),
      trial.count, trial.seed, configurations);
}

}  // namespace cnnc::testing
