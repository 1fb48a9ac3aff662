// Where a data set's files are: which names and folders other tools leave them in.
#include "runtime/io/dataset_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;

/// `train-images-idx3-ubyte` as published, `train-images.idx3-ubyte` as 7-Zip and Kaggle leave it.
std::array<std::string, 2> names_of(Split split, Part part) {
  const auto name = [&](char joint) {
    return fmt::format("{}-{}{}idx{}-ubyte", split == Split::train ? "train" : "t10k",
                       part == Part::images ? "images" : "labels", joint,
                       part == Part::images ? 3 : 1);
  };
  return {name('-'), name('.')};
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// The file, plain or compressed, in `folder`, in its `raw` as torchvision puts it, or in a folder
/// of its own name as Kaggle and 7-Zip do. An unreadable one counts, and a folder where there is
/// nothing better: reading it says what is wrong.
std::optional<fs::path> find_file(const fs::path& folder, Split split, Part part) {
  const auto names = names_of(split, part);
  std::optional<fs::path> poor;
  for (const fs::path& place : {folder, folder / "raw"}) {
    for (const std::string& name : names) {
      for (const char* suffix : {"", ".gz"}) {
        const fs::path path = place / (name + suffix);
        if (!is_there(path)) continue;
        if (!is_folder(path)) return path;
        for (const std::string& inside : names) {
          if (is_there(path / inside)) return path / inside;
        }
        if (!poor) poor = path;
      }
    }
  }
  return poor;
}

bool holds_part(const fs::path& folder) {
  for (const Split split : {Split::train, Split::test}) {
    for (const Part part : {Part::images, Part::labels}) {
      if (find_file(folder, split, part)) return true;
    }
  }
  return false;
}

/// Letters and digits in lower case: what MNIST and mnist, FashionMNIST and fashion-mnist share.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const unsigned char c : name) {
    if (std::isalnum(c)) plain += static_cast<char>(std::tolower(c));
  }
  return plain;
}

/// Entries of `folder` in their order, without hidden ones.
std::vector<std::string> entries_of(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::string contents(const fs::path& folder) {
  constexpr std::size_t kShown = 6;
  auto names = entries_of(folder);
  if (names.empty()) return "nothing";
  const std::size_t shown = std::min(names.size(), kShown);
  std::string text = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

/// The set that `folder` is by its own name, or that of the folder above its `raw`, where that is
/// one that we know and not `name`.
std::optional<std::string> other_set(const fs::path& folder, std::string_view name) {
  fs::path path = folder.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename() == "raw") path = path.parent_path();
  for (const std::string_view known : {"mnist", "fashion-mnist"}) {
    if (plain_name(path.filename().string()) == plain_name(known) &&
        plain_name(name) != plain_name(known))
      return std::string(known);
  }
  return std::nullopt;
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

std::optional<fs::path> find_dataset(std::span<const fs::path> folders, std::string_view name) {
  for (const auto& folder : folders) {
    if (holds_part(folder / name)) return folder / name;
    for (const auto& entry : entries_of(folder)) {
      if (!plain_name(name).empty() && plain_name(entry) == plain_name(name) &&
          holds_part(folder / entry))
        return folder / entry;
    }
    if (holds_part(folder) && !other_set(folder, name)) return folder;
  }
  return std::nullopt;
}

fs::path require_file(const fs::path& folder, std::string_view set, Split split, Part part) {
  if (auto path = find_file(folder, split, part)) return *path;
  fail(
      "{}: no {} (plain or .gz) in this folder, which holds {}\n"
      "hint: the {} {} of `{}` are needed, too: put that file beside the others",
      folder.string(), names_of(split, part)[0], contents(folder),
      split == Split::train ? "training" : "test", part == Part::images ? "images" : "labels", set);
}

void fail_not_found(std::span<const fs::path> folders, std::string_view name) {
  std::string text = fmt::format("data set `{}` not found: no {}/{} (plain or .gz) in", name, name,
                                 names_of(Split::train, Part::images)[0]);
  for (const auto& folder : folders) {
    text += fmt::format("\n  {}", folder.string());
    // Of the one that was asked for, what is there instead.
    if (&folder == folders.data() && is_folder(folder))
      text += fmt::format(" (which holds {})", contents(folder));
  }
  for (const auto& folder : folders) {
    if (const auto other = other_set(folder, name); other && holds_part(folder))
      throw Error(text + fmt::format("\nhint: {} is `{}` by its name: take `data = {}`",
                                     folder.string(), *other, *other));
  }
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

}  // namespace cnnc
