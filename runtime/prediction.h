// Single images: the most probable classes, shown beside the picture.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/session.h"
#include "runtime/terminal.h"

namespace cnnc {

struct ClassScore {
  std::int64_t label = 0;
  double score = 0;  // what the model yields: a probability after softmax
};

/// The classes of one image (bytes h, w, c) by descending score, the first of equals first; at most
/// `most`. Throws NotFinite where a score is NaN or infinite.
std::vector<ClassScore> predict(Session& session, std::span<const std::uint8_t> image,
                                std::size_t most = 3);

/// The image drawn with its title and `scores` to the right, ending in a newline. `names` by label;
/// labels beyond print as numbers.
std::string draw_prediction(std::span<const std::uint8_t> image, const Dims& dims,
                            const std::string& title, std::span<const ClassScore> scores,
                            std::span<const std::string> names, Shading shading);

/// The same on one line: `TITLE: 7 (99.98 %), 2 (0.01 %), 3 (0.01 %)`.
std::string prediction_line(const std::string& title, std::span<const ClassScore> scores,
                            std::span<const std::string> names);

}  // namespace cnnc
