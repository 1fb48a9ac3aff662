// Single images: their greatest outputs, most often the most probable classes, shown beside the
// picture.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/io/terminal.h"
#include "runtime/train/evaluation.h"
#include "runtime/train/session.h"

namespace cnnc {

struct ClassScore {
  std::int64_t label = 0;
  double score = 0;
};

struct Prediction {
  std::vector<ClassScore> scores;  // descending, the first of equals first
  bool probabilities = true;       // otherwise scores are any numbers: logits, a regression
};

/// The outputs for one image (bytes h, w, c), at most `most`. Throws Error for anything but one
/// image, and NotFinite, which calls the image `title`.
Prediction predict(Session& session, std::span<const std::uint8_t> image, std::size_t most = 3,
                   std::string_view title = "the image");

/// The image drawn with its title and scores to the right, or below where `columns` are too few;
/// ends in a newline. `names` by label; labels beyond print as numbers.
std::string draw_prediction(std::span<const std::uint8_t> image, const Dims& dims,
                            const std::string& title, const Prediction& prediction,
                            std::span<const std::string> names, Shading shading, int columns = 80);

/// The same on one line: `TITLE: 7 (99.98 %), 2 (0.01 %), 3 (0.01 %)`, or of numbers
/// `TITLE: output 7 = 12.5, output 2 = -0.25`.
std::string prediction_line(const std::string& title, const Prediction& prediction,
                            std::span<const std::string> names);

}  // namespace cnnc
