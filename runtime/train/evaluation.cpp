#include "runtime/train/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "runtime/train/not_finite.h"

namespace cnnc {

Evaluation evaluate(Session& session, const Dataset& data) {
  check_fits(data, session.model().input, session.classes());
  // A part at a time, so that the outputs of a large set need little memory.
  constexpr std::int64_t kPart = 1024;
  const auto classes = static_cast<std::size_t>(session.classes());
  Evaluation result{.count = data.count};
  for (std::int64_t first = 0; first < data.count; first += kPart) {
    const std::int64_t count = std::min(kPart, data.count - first);
    const auto images = std::span(data.pixels)
                            .subspan(static_cast<std::size_t>(first * data.image_size()),
                                     static_cast<std::size_t>(count * data.image_size()));
    const auto outputs = session.infer(images);
    for (std::int64_t row = 0; row < count; ++row) {
      const auto scores =
          std::span(outputs).subspan(static_cast<std::size_t>(row) * classes, classes);
      if (!std::ranges::all_of(scores, [](double score) { return std::isfinite(score); })) {
        ++result.not_finite;
        continue;
      }
      const auto best = std::ranges::max_element(scores) - scores.begin();
      result.correct += best == data.labels[static_cast<std::size_t>(first + row)];
    }
  }
  return result;
}

void require_finite(const Evaluation& evaluation) {
  if (evaluation.not_finite == 0) return;
  throw NotFinite(
      fmt::format("the outputs for {} of {} images are not finite: these weights are of no use; "
                  "train again",
                  evaluation.not_finite, evaluation.count));
}

std::string to_string(const Evaluation& evaluation) {
  return fmt::format("test accuracy {:.2f} % ({} of {})", 100 * evaluation.accuracy(),
                     evaluation.correct, evaluation.count);
}

}  // namespace cnnc
