#include "runtime/io/dataset.h"

#include <algorithm>
#include <filesystem>

#include "ir/base/diagnostic.h"
#include "runtime/io/dataset_files.h"
#include "runtime/io/idx.h"

namespace cnnc {

namespace fs = std::filesystem;

Dataset load_dataset(std::span<const fs::path> folders, std::string_view name, Split split) {
  const auto folder = find_dataset(folders, name);
  if (!folder) fail_not_found(folders, name);

  const fs::path label_path = require_file(*folder, name, split, Part::labels);
  const fs::path image_path = require_file(*folder, name, split, Part::images);
  IdxData labels = read_idx(label_path, 1);
  IdxData images = read_idx(image_path, 3);
  if (images.dims[0] != labels.dims[0]) {
    fail("{}: {} labels, but {} has {} images", label_path.string(), labels.dims[0],
         image_path.string(), images.dims[0]);
  }
  if (images.values.empty())
    fail("{}: no images: sizes {}", image_path.string(), to_string(images.dims));

  Dataset data;
  data.name = name;
  data.folder = *folder;
  data.files = {image_path, label_path};
  data.image = {images.dims[1], images.dims[2], 1};
  data.pixels = std::move(images.values);
  data.labels = std::move(labels.values);
  data.count = images.dims[0];
  data.class_names = class_names(name);
  return data;
}

void check_whole(const Dataset& dataset) {
  const auto pixels = static_cast<std::int64_t>(dataset.pixels.size());
  const auto labels = static_cast<std::int64_t>(dataset.labels.size());
  if (dataset.count < 0 || dataset.image.size() != 3 || labels != dataset.count ||
      pixels != dataset.count * dataset.image_size()) {
    fail("data set `{}`: {} images of {} (height, width, channels), but {} bytes and {} labels",
         dataset.name, dataset.count, to_string(dataset.image), pixels, labels);
  }
}

void check_fits(const Dataset& dataset, const Dims& image, std::int64_t classes) {
  check_whole(dataset);
  if (dataset.count == 0) fail("data set `{}` holds no images", dataset.name);
  if (dataset.image != image) {
    fail("data set `{}` ({}): its images are {}, the model's input is {} (height, width, channels)",
         dataset.name, dataset.folder.string(), to_string(dataset.image), to_string(image));
  }
  const auto wrong = std::find_if(dataset.labels.begin(), dataset.labels.end(),
                                  [&](auto label) { return label >= classes; });
  if (wrong != dataset.labels.end()) {
    fail(
        "data set `{}` ({}): record {} (counted from 0) has label {}, but the model has {} classes "
        "(0 to {})",
        dataset.name, dataset.folder.string(), wrong - dataset.labels.begin(), *wrong, classes,
        classes - 1);
  }
}

std::string class_name(const Dataset& dataset, std::int64_t label) {
  const auto index = static_cast<std::size_t>(label);
  return index < dataset.class_names.size() ? dataset.class_names[index] : std::to_string(label);
}

std::vector<std::string> class_names(std::string_view dataset_name) {
  if (dataset_name == "mnist") return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  if (dataset_name == "fashion-mnist") {
    return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  }
  return {};
}

}  // namespace cnnc
