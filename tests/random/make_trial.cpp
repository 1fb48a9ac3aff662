#include <algorithm>

#include "tests/random/choices.h"
#include "tests/random/trial.h"

namespace cnnc::testing {

namespace {

Configuration random_configuration(Choices& choices) {
  Configuration result;
  result.mode = choices.chance(0.65) ? Mode::train : Mode::infer;
  std::vector<std::string> targets{"native"}, passes;
  for (const char* name : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    if (std::ranges::all_of(required_features(*named_target(name)), host_has))
      targets.emplace_back(name);
  result.target = choices.one_of(targets);
  for (const PassInfo& pass : list_passes())
    if (!pass.required) passes.push_back(pass.name);
  const std::int64_t kind = choices.between(0, 9);
  if (kind < 4) {
    result.skip = {choices.one_of(passes)};
  } else if (kind < 6) {
    for (const std::string& pass : passes)
      if (choices.chance(0.4)) result.skip.push_back(pass);
  }
  if (choices.chance(0.4))
    for (int i = 0; i < 3; ++i) result.tile.push_back(choices.between(1, 6));
  result.threads = static_cast<int>(choices.one_of(std::vector<std::int64_t>{1, 2, 3, 4, 7}));
  result.from_text = choices.chance(0.25);
  if (choices.chance(0.75)) result.smaller_caches = choices.chance(0.3) ? 16 : 1024;
  result.quick = choices.chance(0.3);
  return result;
}

}  // namespace

Trial make_trial(const Network& network, std::uint64_t seed, Lane lane, const Language& language,
                 int configurations) {
  Choices choices(seed, 2);
  Trial trial;
  trial.text = text_of(network, language);
  trial.lane = lane;
  trial.real = choices.chance(0.25) ? ScalarType::f64 : ScalarType::f32;
  trial.count = choices.chance(0.6) ? network.batch : choices.between(1, network.batch);
  trial.seed = seed;
  for (int i = 0; i < configurations; ++i)
    trial.configurations.push_back(random_configuration(choices));
  return trial;
}

}  // namespace cnnc::testing
