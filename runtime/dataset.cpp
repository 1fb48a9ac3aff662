#include "runtime/dataset.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "ir/diagnostic.h"
#include "runtime/idx.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;

std::string_view prefix_of(Split split) { return split == Split::train ? "train" : "t10k"; }

std::string images_name(Split split) {
  return fmt::format("{}-images-idx3-ubyte", prefix_of(split));
}
std::string labels_name(Split split) {
  return fmt::format("{}-labels-idx1-ubyte", prefix_of(split));
}

/// `folder`/`name`, or the compressed one. A folder or unreadable file of that name counts: reading
/// it says what is wrong.
std::optional<fs::path> plain_or_compressed(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  for (const char* suffix : {"", ".gz"}) {
    fs::path path = folder / (name + suffix);
    if (fs::exists(fs::symlink_status(path, ignored))) return path;
  }
  return std::nullopt;
}

fs::path require(const fs::path& folder, const std::string& name) {
  if (auto path = plain_or_compressed(folder, name)) return *path;
  fail("{}: no {} or {}.gz in this folder", folder.string(), name, name);
}

[[noreturn]] void fail_not_found(std::span<const fs::path> folders, std::string_view name,
                                 Split split) {
  std::string text = fmt::format("data set `{}` not found: no {}/{} (plain or .gz) in", name, name,
                                 images_name(split));
  for (const auto& folder : folders) text += fmt::format("\n  {}", folder.string());
  text += "\nhint: ";
  if (name == "fashion-mnist")
    text += "install it with `apt-get install dataset-fashion-mnist`, or ";
  text += fmt::format(
      "put its four IDX files into a folder `{}` and name the folder above that with --data or "
      "CNNC_DATA",
      name);
  if (name == "mnist") {
    text +=
        "; fashion-mnist, of the same shape, comes with `apt-get install dataset-fashion-mnist`";
  }
  throw Error(text);
}

}  // namespace

std::vector<fs::path> data_folders(const std::optional<std::string>& data_option) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  if (data_option) {
    if (!fs::is_directory(*data_option, ignored)) {
      fail("--data {}: {}", *data_option,
           fs::exists(*data_option, ignored) ? "is not a folder" : "no such folder");
    }
    folders.emplace_back(*data_option);
  } else if (const char* variable = std::getenv("CNNC_DATA");
             variable != nullptr && *variable != '\0') {
    folders.emplace_back(variable);
  }
  folders.emplace_back("./data");
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    folders.push_back(fs::path(home) / ".local/share/cnnc");
  }
  folders.emplace_back("/usr/share/datasets");
  return folders;
}

std::optional<fs::path> find_dataset(std::span<const fs::path> folders, std::string_view name,
                                     Split split) {
  for (const auto& folder : folders) {
    const fs::path candidate = folder / name;
    if (plain_or_compressed(candidate, images_name(split)) ||
        plain_or_compressed(candidate, labels_name(split))) {
      return candidate;
    }
  }
  return std::nullopt;
}

Dataset load_dataset(std::span<const fs::path> folders, std::string_view name, Split split) {
  const auto folder = find_dataset(folders, name, split);
  if (!folder) fail_not_found(folders, name, split);

  const fs::path label_path = require(*folder, labels_name(split));
  const fs::path image_path = require(*folder, images_name(split));
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
