// Labelled images, kept as bytes: found in the data folders, checked against a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

enum class Split : std::uint8_t { train, test };

struct Dataset {
  std::string name;                               // mnist
  std::filesystem::path folder;                   // where it was found
  std::vector<std::filesystem::path> files = {};  // that it was read from
  Dims image;                                     // height, width, channels
  std::vector<std::uint8_t> pixels;               // [count, height, width, channels]
  std::vector<std::uint8_t> labels;               // [count]
  std::int64_t count = 0;
  std::vector<std::string>
      class_names;  // by label; labels without a name print as numbers (class_name below)

  std::int64_t image_size() const { return image[0] * image[1] * image[2]; }
  std::span<const std::uint8_t> pixels_of(std::int64_t index) const {
    return std::span(pixels).subspan(static_cast<std::size_t>(index * image_size()),
                                     static_cast<std::size_t>(image_size()));
  }
};

/// The folders that are searched, in order: `data_option` (--data) if given, else the environment's
/// CNNC_DATA where set; ./data;
/// ~/.local/share/cnnc; /usr/share/datasets. Throws Error where `data_option` is given and is no
/// folder.
std::vector<std::filesystem::path> data_folders(const std::optional<std::string>& data_option);

/// The first folder that holds any file of the data set `name`: FOLDER/NAME for one of `folders`
/// (small and capital letters and signs do not count), or FOLDER itself. Nothing where there is
/// none.
std::optional<std::filesystem::path> find_dataset(std::span<const std::filesystem::path> folders,
                                                  std::string_view name);

/// Reads {train,t10k}-images-idx3-ubyte and ...-labels-idx1-ubyte of the data set `name`: plain or
/// .gz, named train-images.idx3-ubyte, too, and in the folder `raw` below. Throws Error: not found
/// (with every folder searched and how to get it), a file missing (with what is there) or
/// malformed, no records, counts of images and labels that disagree.
Dataset load_dataset(std::span<const std::filesystem::path> folders, std::string_view name,
                     Split split);

/// Throws Error where `dataset` holds fewer or more pixels or labels than `count` says.
void check_whole(const Dataset& dataset);

/// As check_whole, and throws Error where there are no images, they are not `image` (h, w, c), or a
/// label is not below `classes` (naming the record, from 0).
void check_fits(const Dataset& dataset, const Dims& image, std::int64_t classes);

/// "7" of mnist, "Sneaker" of fashion-mnist, otherwise the number.
std::string class_name(const Dataset& dataset, std::int64_t label);
/// The same names without data: empty for a data set that we do not know.
std::vector<std::string> class_names(std::string_view dataset_name);

}  // namespace cnnc
