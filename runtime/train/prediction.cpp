#include "runtime/train/prediction.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "runtime/train/not_finite.h"

namespace cnnc {
namespace {

/// What an output is called: a class by its name or number, any other by its place.
std::string name_of(const ClassScore& score, const Prediction& prediction,
                    std::span<const std::string> names) {
  const auto index = static_cast<std::size_t>(score.label);
  if (index < names.size()) return names[index];
  return fmt::format("{}{}", prediction.probabilities ? "" : "output ", score.label);
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

/// A row a score, in columns.
std::vector<std::string> score_rows(const Prediction& prediction,
                                    std::span<const std::string> names, Shading shading) {
  int width = 0;
  for (const auto& score : prediction.scores)
    width = std::max(width, columns_of(name_of(score, prediction, names)));
  std::vector<std::string> rows;
  for (const auto& score : prediction.scores) {
    std::string name = name_of(score, prediction, names);
    name.append(static_cast<std::size_t>(width - columns_of(name)), ' ');
    rows.push_back(
        prediction.probabilities
            ? fmt::format("{} {:>8}  {}", name, percent(score.score), bar(score.score, shading))
            : fmt::format("{} {:>10.4g}", name, score.score));
  }
  return rows;
}

}  // namespace

Prediction predict(Session& session, std::span<const std::uint8_t> image, std::size_t most,
                   std::string_view title) {
  const auto outputs = session.infer(image);
  if (static_cast<std::int64_t>(outputs.size()) != session.classes()) {
    fail("one image has {} bytes; got {}", session.image_size(), image.size());
  }
  require_finite(outputs, title);
  Prediction result{.scores = {}, .probabilities = session.yields_probabilities()};
  for (std::size_t i = 0; i < outputs.size(); ++i)
    result.scores.push_back({static_cast<std::int64_t>(i), outputs[i]});
  std::ranges::stable_sort(
      result.scores, [](const ClassScore& a, const ClassScore& b) { return a.score > b.score; });
  if (result.scores.size() > most) result.scores.resize(most);
  return result;
}

std::string draw_prediction(std::span<const std::uint8_t> image, const Dims& dims,
                            const std::string& title, const Prediction& prediction,
                            std::span<const std::string> names, Shading shading, int columns) {
  constexpr int kGap = 3, kLeastTitle = 24;
  const int most = std::clamp(columns, 1, 64), drawn = drawn_width(dims, most);
  const auto lines = draw_image(image, dims, shading, most);
  const auto rows = score_rows(prediction, names, shading);
  int needed = kLeastTitle;
  for (const auto& row : rows) needed = std::max(needed, columns_of(row));
  const int room = columns - drawn - kGap;
  auto notes = wrapped(title, room < needed ? columns : room);
  notes.emplace_back();
  notes.insert(notes.end(), rows.begin(), rows.end());
  if (room < needed) return fmt::format("{}\n{}\n", fmt::join(lines, "\n"), fmt::join(notes, "\n"));

  const std::string blank(static_cast<std::size_t>(drawn), ' ');
  const std::size_t first = lines.size() > notes.size() ? (lines.size() - notes.size()) / 2 : 0;
  std::string text;
  for (std::size_t i = 0; i < std::max(lines.size(), notes.size()); ++i) {
    text += i < lines.size() ? lines[i] : blank;
    if (i >= first && i - first < notes.size()) text += "   " + notes[i - first];
    text += '\n';
  }
  return text;
}

std::string prediction_line(const std::string& title, const Prediction& prediction,
                            std::span<const std::string> names) {
  std::vector<std::string> parts;
  for (const auto& score : prediction.scores) {
    const std::string name = name_of(score, prediction, names);
    parts.push_back(prediction.probabilities ? fmt::format("{} ({})", name, percent(score.score))
                                             : fmt::format("{} = {:.4g}", name, score.score));
  }
  return fmt::format("{}: {}", title, fmt::join(parts, ", "));
}

}  // namespace cnnc
