// A data set and models small enough to train in a test: 8x8 images of three classes, told apart by
// where a bright bar is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/io/dataset.h"
#include "runtime/train/random.h"
#include "tests/process.h"

namespace cnnc::testing {

inline constexpr const char* kTinyModel = R"(
model tiny {
  input(8x8x1) -> conv(4, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten -> dense(3) -> softmax
}
train { data = tiny  loss = cross_entropy  optimizer = sgd(lr=0.1, momentum=0.9)  batch = 16  epochs = 3 }
)";

inline Dataset tiny_dataset(std::int64_t count, std::uint64_t seed) {
  Dataset data;
  data.name = "tiny";
  data.image = {8, 8, 1};
  data.count = count;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const auto label = static_cast<std::int64_t>(random_bits(seed, 1, index) % 3);
    data.labels.push_back(static_cast<std::uint8_t>(label));
    for (std::int64_t pixel = 0; pixel < 64; ++pixel) {
      const bool bar = pixel / 8 == 1 + 2 * label;
      const auto noise = random_bits(seed, 2, index * 64 + static_cast<std::uint64_t>(pixel)) % 64;
      data.pixels.push_back(static_cast<std::uint8_t>((bar ? 160 : 0) + noise));
    }
  }
  return data;
}

inline std::string big_endian(std::int64_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}

inline std::string idx_images(const Dataset& data) {
  return big_endian(2051) + big_endian(data.count) + big_endian(data.image[0]) +
         big_endian(data.image[1]) + std::string(data.pixels.begin(), data.pixels.end());
}

inline std::string idx_labels(const Dataset& data) {
  return big_endian(2049) + big_endian(data.count) +
         std::string(data.labels.begin(), data.labels.end());
}

/// FOLDER/tiny with 100 images to train on (six batches of 16 and one of 4) and 60 to test, and
/// FOLDER/tiny.model.
inline void write_tiny(const std::filesystem::path& folder) {
  const Dataset train = tiny_dataset(100, 1), test = tiny_dataset(60, 2);
  write_text(folder / "tiny/train-images-idx3-ubyte", idx_images(train));
  write_text(folder / "tiny/train-labels-idx1-ubyte", idx_labels(train));
  write_text(folder / "tiny/t10k-images-idx3-ubyte", idx_images(test));
  write_text(folder / "tiny/t10k-labels-idx1-ubyte", idx_labels(test));
  write_text(folder / "tiny.model", kTinyModel);
}

}  // namespace cnnc::testing
