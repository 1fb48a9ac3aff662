// The picture behind --show-data: the first images of a data set with their labels.
#pragma once

#include <filesystem>

#include "runtime/io/dataset.h"
#include "runtime/io/picture.h"

namespace cnnc {

/// The first ten images (or as many as there are), enlarged, five a row, each above its class's
/// name.
Picture data_sheet(const Dataset& dataset);
/// Writes that sheet as a PNG.
void show_data(const Dataset& dataset, const std::filesystem::path& path);

}  // namespace cnnc
