#include "runtime/io/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetFiles : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_ / "tiny"); }
  void TearDown() override {
    fs::remove_all(folder_);
    restore("CNNC_DATA", data_);
    restore("HOME", home_);
  }

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / "tiny" / name, std::ios::binary) << bytes;
  }
  /// `images` images of 2x3 and these labels.
  void write_split(char images, const std::string& labels,
                   const std::string& prefix = "train") const {
    using namespace std::string_literals;
    write(prefix + "-images-idx3-ubyte",
          "\0\0\x8\3\0\0\0"s + images + "\0\0\0\2\0\0\0\3"s +
              std::string(6 * static_cast<std::size_t>(images), 'p'));
    write(prefix + "-labels-idx1-ubyte",
          "\0\0\x8\1\0\0\0"s + static_cast<char>(labels.size()) + labels);
  }
  Dataset load(Split split = Split::train) const {
    return load_dataset(std::array{folder_}, "tiny", split);
  }

  static std::optional<std::string> variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  static void restore(const char* name, const std::optional<std::string>& value) {
    value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
  }

  std::optional<std::string> data_ = variable("CNNC_DATA"), home_ = variable("HOME");
  fs::path folder_ = fs::temp_directory_path() / fmt::format("cnnc-dataset-{}", ::getpid());
};

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(DatasetFiles, both_splits_load_under_their_names) {
  write_split(2, "\3\1");
  write_split(3, "\1\2\3", "t10k");
  const Dataset train = load();
  EXPECT_EQ(train.count, 2);
  EXPECT_EQ(train.image, (Dims{2, 3, 1}));
  EXPECT_THAT(train.labels, ElementsAre(3, 1));
  EXPECT_EQ(train.pixels_of(1).size(), 6U);
  EXPECT_EQ(load(Split::test).count, 3);
}

TEST_F(DatasetFiles, counts_that_disagree_are_reported_with_both_numbers) {
  write_split(3, "\1\2");
  EXPECT_THAT(error_of([&] { load(); }), AllOf(HasSubstr("2 labels"), HasSubstr("3 images")));
}

TEST_F(DatasetFiles, a_label_beyond_the_classes_names_its_record) {
  write_split(3, "\1\2\5");
  const Dataset data = load();
  EXPECT_NO_THROW(check_fits(data, {2, 3, 1}, 6));
  EXPECT_THAT(error_of([&] {
                check_fits(data, {2, 3, 1}, 5);
              }),
              AllOf(HasSubstr("record 2"), HasSubstr("label 5"), HasSubstr("5 classes")));
}

TEST_F(DatasetFiles, images_of_another_size_than_the_models_show_both) {
  write_split(1, "\1");
  const Dataset data = load();
  EXPECT_THAT(error_of([&] {
                check_fits(data, {28, 28, 1}, 10);
              }),
              AllOf(HasSubstr("[2,3,1]"), HasSubstr("[28,28,1]")));
}

TEST_F(DatasetFiles, no_images_are_an_error) {
  write_split(0, "");
  EXPECT_THAT(error_of([&] { load(); }), HasSubstr("no images"));
}

TEST_F(DatasetFiles, a_missing_partner_is_named) {
  write_split(1, "\1");
  fs::remove(folder_ / "tiny" / "train-labels-idx1-ubyte");
  EXPECT_THAT(error_of([&] { load(); }),
              AllOf(HasSubstr("train-labels-idx1-ubyte"), HasSubstr((folder_ / "tiny").string())));
}

TEST_F(DatasetFiles, a_missing_part_is_named_with_what_is_there) {
  write_split(1, "\1");
  EXPECT_THAT(error_of([&] { load(Split::test); }),
              AllOf(HasSubstr("tiny: no t10k-labels-idx1-ubyte (plain or .gz) in this folder"),
                    HasSubstr("which holds train-images-idx3-ubyte, train-labels-idx1-ubyte\n"),
                    HasSubstr("the test labels of `tiny` are needed, too")));
}

TEST_F(DatasetFiles, the_parts_of_a_set_never_come_from_two_folders) {
  write_split(1, "\1");
  write_split(1, "\1", "t10k");
  fs::create_directories(folder_ / "first/tiny");
  fs::rename(folder_ / "tiny/train-images-idx3-ubyte",
             folder_ / "first/tiny/train-images-idx3-ubyte");
  const std::array folders = {folder_ / "first", folder_};
  EXPECT_THAT(error_of([&] { load_dataset(folders, "tiny", Split::test); }),
              HasSubstr("first/tiny: no t10k-labels-idx1-ubyte"));
}

TEST_F(DatasetFiles, names_and_folders_of_other_tools_are_taken) {
  write_split(2, "\3\1");
  const auto loads = [&](const fs::path& folder, const std::string& name) {
    return error_of([&] { load_dataset(std::array{folder}, name, Split::train); });
  };
  EXPECT_EQ(loads(folder_ / "tiny", "tiny"), "no error") << "the folder itself";
  EXPECT_EQ(loads(folder_ / "tiny/", "other"), "no error") << "the folder itself, by any name";
  fs::rename(folder_ / "tiny/train-images-idx3-ubyte", folder_ / "tiny/train-images.idx3-ubyte");
  EXPECT_EQ(loads(folder_, "tiny"), "no error") << "7-Zip";
  fs::create_directories(folder_ / "tiny/train-labels-idx1-ubyte.folder");
  fs::rename(folder_ / "tiny/train-labels-idx1-ubyte",
             folder_ / "tiny/train-labels-idx1-ubyte.folder/train-labels-idx1-ubyte");
  fs::rename(folder_ / "tiny/train-labels-idx1-ubyte.folder",
             folder_ / "tiny/train-labels-idx1-ubyte");
  EXPECT_EQ(loads(folder_, "tiny"), "no error") << "Kaggle";
  fs::rename(folder_ / "tiny/train-labels-idx1-ubyte/train-labels-idx1-ubyte",
             folder_ / "tiny/train-labels-idx1-ubyte/train-labels.idx1-ubyte");
  EXPECT_EQ(loads(folder_, "tiny"), "no error") << "7-Zip, each into a folder";
  fs::create_directories(folder_ / "MNIST");
  fs::rename(folder_ / "tiny", folder_ / "MNIST/raw");
  for (const char* below : {"", "MNIST", "MNIST/raw"})
    EXPECT_EQ(loads(folder_ / below, "mnist"), "no error") << "torchvision, " << below;
  for (const char* below : {"MNIST", "MNIST/", "MNIST/raw"}) {
    EXPECT_THAT(loads(folder_ / below, "fashion-mnist"),
                AllOf(HasSubstr("not found"), HasSubstr("is `mnist` by its name")))
        << below;
  }
}

TEST_F(DatasetFiles, the_error_of_a_failed_search_says_what_the_first_folder_holds) {
  for (const char* name : {"a.csv", "b", "c", "d", "e", "f", "g", ".hidden"})
    std::ofstream(folder_ / name) << "x";
  EXPECT_THAT(error_of([&] { load_dataset(std::array{folder_}, "cats", Split::train); }),
              HasSubstr(folder_.string() + " (which holds a.csv, b, c, d, e, f and 2 more)\n"));
}

TEST_F(DatasetFiles,
       the_error_of_a_failed_search_lists_lists_every_folder_and_how_to_get_the_data) {
  ::setenv("CNNC_DATA", (folder_ / "nowhere").c_str(), 1);
  ::setenv("HOME", folder_.c_str(), 1);
  const auto folders = data_folders(std::nullopt);
  EXPECT_THAT(folders, ElementsAre(folder_ / "nowhere", "./data", folder_ / ".local/share/cnnc",
                                   "/usr/share/datasets"));
  const std::string text = error_of([&] { load_dataset(folders, "no-such-set", Split::train); });
  for (const auto& folder : folders) EXPECT_THAT(text, HasSubstr(folder.string()));
  EXPECT_THAT(text, AllOf(HasSubstr("no-such-set"), HasSubstr("--data")));
  EXPECT_THAT(error_of([&] { load_dataset(std::array{folder_}, "fashion-mnist", Split::train); }),
              HasSubstr("apt-get install dataset-fashion-mnist"));
}

TEST_F(DatasetFiles, the_data_option_takes_the_place_of_the_environment) {
  ::setenv("CNNC_DATA", "/elsewhere", 1);
  EXPECT_EQ(data_folders(folder_.string()).front(), folder_);
  EXPECT_THAT(data_folders(folder_.string()), testing::Not(testing::Contains("/elsewhere")));
  EXPECT_THAT(error_of([&] { data_folders((folder_ / "none").string()); }),
              HasSubstr("no such folder"));
}

TEST_F(DatasetFiles, known_classes_have_names_and_others_numbers) {
  write_split(1, "\1");
  Dataset data = load();
  EXPECT_EQ(class_name(data, 12), "12");
  data.class_names = class_names("fashion-mnist");
  EXPECT_EQ(class_name(data, 7), "Sneaker");
}

TEST(RealMnist, has_the_published_records) {
  const auto folders = data_folders(std::nullopt);
  if (!find_dataset(folders, "mnist")) GTEST_SKIP() << "MNIST's files are not here: set CNNC_DATA";
  struct Facts {
    Split split;
    std::int64_t count;
    std::vector<std::uint8_t> first;
    std::vector<int> per_class;
  };
  const Facts both[] = {
      {Split::train,
       60000,
       {5, 0, 4, 1, 9, 2, 1, 3, 1, 4},
       {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
      {Split::test,
       10000,
       {7, 2, 1, 0, 4, 1, 4, 9, 5, 9},
       {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}},
  };
  for (const Facts& facts : both) {
    const Dataset data = load_dataset(folders, "mnist", facts.split);
    EXPECT_EQ(data.count, facts.count);
    EXPECT_EQ(data.image, (Dims{28, 28, 1}));
    EXPECT_EQ(std::vector(data.labels.begin(), data.labels.begin() + 10), facts.first);
    std::vector<int> per_class(10);
    for (auto label : data.labels) ++per_class.at(label);
    EXPECT_EQ(per_class, facts.per_class);
    EXPECT_NO_THROW(check_fits(data, {28, 28, 1}, 10));
  }
}

TEST(RealFashionMnist, has_the_published_records) {
  const auto folders = data_folders(std::nullopt);
  if (!find_dataset(folders, "fashion-mnist"))
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const Dataset data = load_dataset(folders, "fashion-mnist", Split::test);
  EXPECT_EQ(data.count, 10000);
  EXPECT_EQ(class_name(data, data.labels[0]), "Ankle boot");
}

}  // namespace
}  // namespace cnnc
