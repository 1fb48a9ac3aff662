#include "tests/random/gradient.h"

#include <cmath>

#include "passes/graph/differentiate.h"
#include "passes/lower/lower.h"
#include "tests/random/choices.h"
#include "tests/random/numbers.h"

namespace cnnc::testing {
namespace {

using Inputs = std::map<std::string, Tensor>;

class Directions {
 public:
  Directions(const Graph& forward, Inputs inputs, std::int64_t count)
      : forward_(forward), inputs_(std::move(inputs)), count_(count) {
    gradients_ = interpret(differentiate_graph(forward, {}), inputs_, count);
    loss_ = loss(inputs_);
  }

  /// Along `direction`, by parameter.
  std::string difference(const Inputs& direction, Statistics& statistics) const {
    double symbolic = 0, size = 0;
    for (const auto& [name, along] : direction) {
      const Tensor& gradient = gradients_.at("gradient." + name);
      for (std::int64_t i = 0; i < along.size(); ++i) {
        symbolic += gradient.get(i) * along.get(i);
        size = std::max(size, std::abs(gradient.get(i)));
      }
    }
    if (!std::isfinite(symbolic) || !std::isfinite(loss_)) return {};
    const double wide = numeric(direction, kStep), narrow = numeric(direction, kStep / 2);
    const double allowed =
        1e-6 * std::max({std::abs(symbolic), size, 1e-3 * std::abs(loss_), 1e-3});
    ++statistics.directions;
    // A kink within reach shows: then the two differences differ.
    if (!(std::abs(wide - narrow) <= allowed / 2)) {
      ++statistics.near_kinks;
      return {};
    }
    const double numbers = (4 * narrow - wide) / 3;
    if (std::abs(numbers - symbolic) <= allowed) return {};
    // Rounding that the loss magnifies shows, too: it is another at every step.
    for (const double part : {0.8, 0.7, 0.6, 0.4})
      if (!(std::abs(numeric(direction, kStep * part) - numbers) <= allowed / 2)) {
        ++statistics.near_kinks;
        return {};
      }
    return fmt::format("along {} of {} parameters the loss changes by {}, not {}",
                       direction.begin()->first, direction.size(), symbolic, numbers);
  }

 private:
  static constexpr double kStep = 1e-5;

  double loss(const Inputs& inputs) const {
    return interpret(forward_, inputs, count_).at("loss").get(0);
  }

  double numeric(const Inputs& direction, double step) const {
    const auto at = [&](double distance) {
      Inputs moved = inputs_;
      for (const auto& [name, along] : direction)
        for (std::int64_t i = 0; i < along.size(); ++i)
          moved.at(name).set(i, moved.at(name).get(i) + distance * along.get(i));
      return loss(moved);
    };
    return (at(step) - at(-step)) / (2 * step);
  }

  const Graph& forward_;
  Inputs inputs_;
  std::int64_t count_;
  Inputs gradients_;
  double loss_ = 0;
};

}  // namespace

std::string gradient_difference(const Model& model, const Language& language, std::int64_t count,
                                std::uint64_t seed, Statistics& statistics) {
  const std::int64_t rows = std::min<std::int64_t>(count, 3);
  const ModelGraph made = build_graph(model, language, Mode::train, rows, ScalarType::f64);
  // Only what the loss needs is evaluated again and again.
  Graph forward = made.graph;
  std::erase_if(forward.outputs, [](const Output& output) { return output.name != "loss"; });
  const Program program = lower(made.graph, {});
  const Tensors numbers = numbers_for(program, model, rows, rows, Lane::real, seed);
  const Directions directions(forward, graph_inputs(made.graph, numbers, rows), rows);
  Choices choices(seed, 4);
  std::map<std::string, Tensor> all;
  for (const Parameter& parameter : made.parameters) {
    if (!parameter.trained) continue;
    Tensor along(parameter.type);
    for (std::int64_t i = 0; i < along.size(); ++i) along.set(i, choices.chance(0.5) ? 1 : -1);
    all.emplace(parameter.name, along);
  }
  if (all.empty()) return {};
  std::string difference = directions.difference(all, statistics);
  for (int i = 0; i < 2 && difference.empty() && all.size() > 1; ++i) {
    const auto one = std::next(all.begin(), choices.between(0, std::ssize(all) - 1));
    difference = directions.difference({*one}, statistics);
  }
  return difference;
}

}  // namespace cnnc::testing
