#include "runtime/prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/not_finite.h"

namespace cnnc {
namespace {

std::string name_of_label(std::int64_t label, std::span<const std::string> names) {
  const auto index = static_cast<std::size_t>(label);
  return index < names.size() ? names[index] : std::to_string(label);
}

/// A share of one as percent, never rounded up to a certainty.
std::string percent(double score) {
  const double shown = score < 1 ? std::min(score, 0.9999) : score;
  return fmt::format("{:.2f} %", 100 * shown);
}

std::string bar(double score, Shading shading) {
  constexpr int kWidth = 20;
  const auto filled = static_cast<int>(std::lround(std::clamp(score, 0.0, 1.0) * kWidth));
  std::string text;
  for (int i = 0; i < filled; ++i) text += shading == Shading::ascii ? "#" : "█";
  return text;
}

}  // namespace

std::vector<ClassScore> predict(Session& session, std::span<const std::uint8_t> image,
                                std::size_t most) {
  const auto outputs = session.infer(image);
  if (static_cast<std::int64_t>(outputs.size()) != session.classes()) {
    fail("one image has {} bytes; got {}", session.image_size(), image.size());
  }
  std::vector<ClassScore> scores;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!std::isfinite(outputs[i])) {
      throw NotFinite(fmt::format(
          "the output for class {} is not finite: these weights are of no use; train again", i));
    }
    scores.push_back({static_cast<std::int64_t>(i), outputs[i]});
  }
  std::ranges::stable_sort(
      scores, [](const ClassScore& a, const ClassScore& b) { return a.score > b.score; });
  if (scores.size() > most) scores.resize(most);
  return scores;
}

std::string draw_prediction(std::span<const std::uint8_t> image, const Dims& dims,
                            const std::string& title, std::span<const ClassScore> scores,
                            std::span<const std::string> names, Shading shading) {
  std::size_t width = 0;
  for (const auto& score : scores)
    width = std::max(width, name_of_label(score.label, names).size());
  std::vector<std::string> notes = {title, ""};
  for (const auto& score : scores) {
    notes.push_back(fmt::format("{:<{}} {:>8}  {}", name_of_label(score.label, names), width,
                                percent(score.score), bar(score.score, shading)));
  }
  const auto lines = draw_image(image, dims, shading);
  const std::string blank(static_cast<std::size_t>(drawn_width(dims)), ' ');
  const std::size_t first = lines.size() > notes.size() ? (lines.size() - notes.size()) / 2 : 0;
  std::string text;
  for (std::size_t i = 0; i < std::max(lines.size(), notes.size()); ++i) {
    text += i < lines.size() ? lines[i] : blank;
    if (i >= first && i - first < notes.size()) text += "   " + notes[i - first];
    text += '\n';
  }
  return text;
}

std::string prediction_line(const std::string& title, std::span<const ClassScore> scores,
                            std::span<const std::string> names) {
  std::string text = title + ":";
  for (const auto& score : scores) {
    text += fmt::format("{} {} ({})", &score == scores.data() ? "" : ",",
                        name_of_label(score.label, names), percent(score.score));
  }
  return text;
}

}  // namespace cnnc
