#include "runtime/io/seen_images.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

constexpr std::string_view kMean = "cnnc.images.mean", kBorder = "cnnc.images.border",
                           kRange = "cnnc.images.range";

/// The number that `text` begins with; `text` goes on behind it and one blank.
double take_number(std::string_view& text, std::string_view key, std::string_view whole,
                   std::string_view source) {
  double number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (error != std::errc() || !(number >= 0 && number <= 255)) {
    fail("{}: `__metadata__`: `{}` is `{}`, expected numbers from 0 to 255", source, key, whole);
  }
  return number;
}

std::vector<double> numbers(const Metadata& metadata, std::string_view key, std::size_t count,
                            std::string_view source) {
  const auto found = metadata.find(std::string(key));
  if (found == metadata.end())
    fail("{}: `__metadata__`: no `{}` beside what else it says of images", source, key);
  std::string_view rest = found->second;
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back(take_number(rest, key, found->second, source));
  if (!rest.empty())
    fail("{}: `__metadata__`: `{}` is `{}`, more than was expected", source, key, found->second);
  return result;
}

}  // namespace

SeenImages look_at(const Dataset& dataset) {
  if (dataset.count < 1 || dataset.pixels.empty())
    fail("data set `{}` holds no images", dataset.name);
  double sum = 0, borders = 0;
  for (const auto pixel : dataset.pixels) sum += pixel;
  for (std::int64_t i = 0; i < dataset.count; ++i)
    borders += border_mean(dataset.pixels_of(i), dataset.image);
  const auto [low, high] = std::ranges::minmax(dataset.pixels);
  return {.mean = sum / static_cast<double>(dataset.pixels.size()),
          .border = borders / static_cast<double>(dataset.count),
          .low = low,
          .high = high};
}

bool is_negative(const Picture& picture, const SeenImages& seen) {
  const double border = border_mean(picture);
  return (seen.border < 64 && border >= 128) || (seen.border >= 192 && border < 128);
}

Metadata to_metadata(const SeenImages& seen) {
  return {{std::string(kMean), fmt::format("{:.2f}", seen.mean)},
          {std::string(kBorder), fmt::format("{:.2f}", seen.border)},
          {std::string(kRange), fmt::format("{} {}", seen.low, seen.high)}};
}

std::optional<SeenImages> seen_images(const Metadata& metadata, std::string_view source) {
  const auto given = [&](std::string_view key) { return metadata.contains(std::string(key)); };
  if (!given(kMean) && !given(kBorder) && !given(kRange)) return std::nullopt;
  const auto range = numbers(metadata, kRange, 2, source);
  return SeenImages{.mean = numbers(metadata, kMean, 1, source)[0],
                    .border = numbers(metadata, kBorder, 1, source)[0],
                    .low = static_cast<int>(range[0]),
                    .high = static_cast<int>(range[1])};
}

}  // namespace cnnc
