#include "tests/random/shrink.h"

#include <algorithm>
#include <set>

namespace cnnc::testing {
namespace {

/// Smaller numbers to try in the place of one, smallest first.
std::vector<std::int64_t> smaller(std::int64_t number) {
  std::set<std::int64_t> values;
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{1}, number / 2, number - 1})
    if (value >= 0 && value < number) values.insert(value);
  return {values.begin(), values.end()};
}

struct Candidate {
  Network network;
  Trial trial;
};

class Shrinker {
 public:
  Shrinker(Candidate best, const Language& language, const Fails& fails, int attempts)
      : best_(std::move(best)), language_(language), fails_(fails), attempts_(attempts) {}

  Trial run() {
    bool shrunk = true;
    while (shrunk && attempts_ > 0) {
      shrunk = false;
      for (const auto& step : {&Shrinker::without_steps, &Shrinker::without_blocks,
                               &Shrinker::plainer, &Shrinker::with_less_written,
                               &Shrinker::with_smaller_sizes, &Shrinker::with_simpler_calls})
        shrunk |= (this->*step)();
    }
    return best_.trial;
  }

 private:
  /// Takes the change where the trial still fails with it.
  template <class Change>
  bool attempt(const Change& change) {
    Candidate next = best_;
    change(next);
    next.network = pruned(next.network);
    if (next.network.steps.empty()) return false;
    next.trial.count = std::min(next.trial.count, next.network.batch);
    next.trial.text = text_of(next.network, language_);
    if (attempts_-- <= 0 || !fails_(next.trial)) return false;
    best_ = std::move(next);
    return true;
  }

  bool without_steps() {
    bool shrunk = false;
    for (std::size_t i = best_.network.steps.size(); i-- > 0;) {
      if (i >= best_.network.steps.size()) continue;
      // Its users take one of its inputs.
      for (std::size_t k = 0;
           i < best_.network.steps.size() && k < best_.network.steps[i].inputs.size(); ++k)
        if (attempt([&](Candidate& c) { remove(c.network.steps, i, k); })) {
          shrunk = true;
          break;
        }
      if (i < best_.network.steps.size() && best_.network.steps[i].inputs.size() > 2)
        shrunk |= attempt([&](Candidate& c) { c.network.steps[i].inputs.pop_back(); });
    }
    return shrunk;
  }

  static void remove(std::vector<Step>& steps, std::size_t at, std::size_t input) {
    const int instead = steps[at].inputs[input], gone = static_cast<int>(at);
    steps.erase(steps.begin() + gone);
    for (std::size_t i = at; i < steps.size(); ++i)
      for (int& from : steps[i].inputs) {
        if (from == gone) from = instead;
        if (from > gone) --from;
      }
  }

  /// Blocks written out where they are used, and steps of blocks left out.
  bool without_blocks() {
    bool shrunk = false;
    for (std::size_t b = best_.network.blocks.size(); b-- > 0;) {
      if (b >= best_.network.blocks.size()) continue;
      shrunk |= attempt([&](Candidate& c) { inline_block(c.network, b); });
    }
    return shrunk;
  }

  static void inline_block(Network& network, std::size_t index) {
    const NetworkBlock block = network.blocks[index];
    for (std::size_t i = network.steps.size(); i-- > 0;) {
      if (network.steps[i].what != block.name) continue;
      const Step use = network.steps[i];
      const int added = static_cast<int>(block.steps.size()) - 1, first = static_cast<int>(i);
      for (std::size_t j = i + 1; j < network.steps.size(); ++j)
        for (int& from : network.steps[j].inputs)
          if (from >= first) from += added;
      std::vector<Step> body = block.steps;
      for (Step& step : body)
        for (int& from : step.inputs) from = from == kBodyInput ? use.inputs.front() : from + first;
      network.steps.erase(network.steps.begin() + first);
      network.steps.insert(network.steps.begin() + first, body.begin(), body.end());
    }
  }

  bool plainer() {
    bool shrunk = false;
    if (best_.network.style != 0) shrunk |= attempt([](Candidate& c) { c.network.style = 0; });
    if (best_.network.schedule) shrunk |= attempt([](Candidate& c) { c.network.schedule.reset(); });
    if (best_.trial.real == ScalarType::f64)
      shrunk |= attempt([](Candidate& c) { c.trial.real = ScalarType::f32; });
    return shrunk;
  }

  /// Calls `f` with a way to every set of written arguments of a candidate.
  template <class F>
  void each_arguments(const F& f) {
    for (std::size_t i = 0; i < best_.network.steps.size(); ++i)
      f([i](Candidate& c) -> Attributes& { return c.network.steps.at(i).arguments; });
    f([](Candidate& c) -> Attributes& { return c.network.optimizer.arguments; });
    f([](Candidate& c) -> Attributes& { return c.network.loss.arguments; });
  }

  bool with_less_written() {
    bool shrunk = false;
    each_arguments([&](const auto& of) {
      const Attributes arguments = of(best_);
      for (const auto& [name, value] : arguments.all())
        shrunk |= attempt([&, &gone = name](Candidate& c) {
          Attributes fewer;
          for (const auto& [other, kept] : of(c).all())
            if (other != gone) fewer.set(other, kept);
          of(c) = fewer;
        });
    });
    return shrunk;
  }

  bool with_smaller_sizes() {
    bool shrunk = false;
    const auto number = [&](std::int64_t current, const auto& set) {
      for (const std::int64_t value : smaller(current))
        if (attempt([&](Candidate& c) { set(c, value); })) {
          shrunk = true;
          return;
        }
    };
    number(best_.network.batch, [](Candidate& c, std::int64_t v) { c.network.batch = v; });
    number(best_.trial.count,
           [](Candidate& c, std::int64_t v) { c.trial.count = std::max<std::int64_t>(v, 1); });
    for (std::size_t d = 0; d < 3; ++d)
      number(best_.network.input[d], [d](Candidate& c, std::int64_t v) { c.network.input[d] = v; });
    each_arguments([&](const auto& of) {
      const Attributes arguments = of(best_);
      for (const auto& [name, value] : arguments.all()) {
        if (const auto* whole = std::get_if<std::int64_t>(&value))
          number(*whole, [&, &key = name](Candidate& c, std::int64_t v) { of(c).set(key, v); });
        const auto* size = std::get_if<Dims>(&value);
        for (std::size_t d = 0; size != nullptr && d < size->size(); ++d)
          number((*size)[d], [&, &key = name](Candidate& c, std::int64_t v) {
            Dims dims = of(c).integers(key);
            dims[d] = v;
            of(c).set(key, dims);
          });
      }
    });
    return shrunk;
  }

  bool with_simpler_calls() {
    bool shrunk = false;
    auto& all = best_.trial.configurations;
    for (std::size_t i = all.size(); i-- > 0;)
      shrunk |= attempt([i](Candidate& c) {
        c.trial.configurations.erase(c.trial.configurations.begin() +
                                     static_cast<std::ptrdiff_t>(i));
      });
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto simpler = [&](bool worth, const auto& change) {
        if (worth) shrunk |= attempt([&](Candidate& c) { change(c.trial.configurations[i]); });
      };
      simpler(!all[i].tile.empty(), [](Configuration& c) { c.tile.clear(); });
      simpler(all[i].smaller_caches > 1, [](Configuration& c) { c.smaller_caches = 1; });
      simpler(all[i].threads > 1, [](Configuration& c) { c.threads = 1; });
      simpler(all[i].from_text, [](Configuration& c) { c.from_text = false; });
      simpler(all[i].quick, [](Configuration& c) { c.quick = false; });
      simpler(all[i].target != "native", [](Configuration& c) { c.target = "native"; });
      for (std::size_t k = all[i].skip.size(); k-- > 0;)
        simpler(true, [k](Configuration& c) {
          c.skip.erase(c.skip.begin() + static_cast<std::ptrdiff_t>(k));
        });
    }
    return shrunk;
  }

  Candidate best_;
  const Language& language_;
  const Fails& fails_;
  int attempts_;
};

}  // namespace

Trial shrink(Network network, Trial trial, const Language& language, const Fails& fails,
             int attempts) {
  return Shrinker({std::move(network), std::move(trial)}, language, fails, attempts).run();
}

}  // namespace cnnc::testing
