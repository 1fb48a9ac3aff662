// What the images were like that a network learnt from: kept with its weights, so that pictures of
// another kind can be told later, without the data.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/io/dataset.h"
#include "runtime/io/picture.h"
#include "runtime/io/safetensors.h"

namespace cnnc {

/// Brightness, 0 to 255, over all images and channels.
struct SeenImages {
  double mean = 0;
  double border = 0;  // mean of the outermost pixels
  int low = 0, high = 255;

  bool operator==(const SeenImages&) const = default;
};

/// Throws Error where `dataset` holds no images.
SeenImages look_at(const Dataset& dataset);

/// Whether `picture` is, by its border, light where the network saw dark alone, or dark where it
/// saw light: the negative of what it knows.
bool is_negative(const Picture& picture, const SeenImages& seen);

/// As texts of a weight file's `__metadata__`: cnnc.images.mean, .border and .range.
Metadata to_metadata(const SeenImages& seen);
/// Those texts read back; nothing where there are none. Throws Error, naming `source`, for one that
/// is missing or no number from 0 to 255.
std::optional<SeenImages> seen_images(const Metadata& metadata, std::string_view source);

}  // namespace cnnc
