#include "runtime/io/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ir/base/diagnostic.h"
#include "runtime/io/file.h"
#include "tests/process.h"

namespace cnnc::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class Output : public ::testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : fs::directory_iterator(folder.path()))
      result.push_back(entry.path().filename());
    return result;
  }
  /// What opening it says; "" where it opens.
  std::string complaint(const fs::path& path, std::size_t bytes = 1) const {
    try {
      const OutputFile file(path, bytes);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  TempFolder folder;
};

TEST_F(Output, takes_its_space_at_once_and_leaves_nothing_when_dropped) {
  {
    const OutputFile file(folder / "w", 100'000);
    ASSERT_EQ(names().size(), 1u);
    EXPECT_EQ(fs::file_size(folder / names()[0]), 100'000u);
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(Output, is_as_long_as_what_was_written) {
  OutputFile file(folder / "w", 100'000);
  file.write("short");
  EXPECT_EQ(read_text(folder / "w"), "short");
  EXPECT_THAT(names(), UnorderedElementsAre("w"));
}

TEST_F(Output, too_little_space_is_known_before_anything_is_written) {
  EXPECT_THAT(complaint(folder / "w", std::size_t{1} << 50), HasSubstr("bytes: "));
  EXPECT_TRUE(names().empty());
}

TEST_F(Output, goes_through_links_as_open_does) {
  fs::create_directory(folder / "below");
  fs::create_symlink("below/b", folder / "a");
  fs::create_symlink("c", folder / "below/b");
  write_file(folder / "a", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "a"));
  EXPECT_TRUE(fs::is_symlink(folder / "below/b"));
  EXPECT_EQ(read_text(folder / "below/c"), "new") << "the target did not exist";
  write_file(folder / "a", "newer");
  EXPECT_EQ(read_text(folder / "below/c"), "newer") << "the target existed";
}

TEST_F(Output, a_circle_of_links_is_a_mistake) {
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  EXPECT_THAT(complaint(folder / "a"), HasSubstr("symbolic links"));
}

TEST_F(Output, names_and_paths_that_are_too_long_are_mistakes) {
  EXPECT_THAT(complaint(folder / std::string(300, 'x')), HasSubstr("too long"));
  fs::path deep = folder.path();
  for (int i = 0; i < 50; ++i) deep /= std::string(200, 'x');
  EXPECT_THAT(complaint(deep), HasSubstr("too long"));
}

TEST_F(Output, a_file_that_nobody_may_write_is_kept_also_behind_a_link) {
  write_text(folder / "w", "old");
  fs::create_symlink("w", folder / "link");
  chmod((folder / "w").c_str(), 0444);
  for (const char* name : {"w", "link"})
    EXPECT_THAT(complaint(folder / name), HasSubstr("Permission denied")) << name;
  EXPECT_EQ(read_text(folder / "w"), "old");
}

TEST_F(Output, permissions_stay_those_of_the_old_file) {
  write_text(folder / "w", "old");
  chmod((folder / "w").c_str(), 0640);
  write_file(folder / "w", "new");
  struct stat status = {};
  stat((folder / "w").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(Output, that_keeps_what_is_there_takes_the_first_free_number) {
  write_text(folder / "w.st", "old");
  write_text(folder / "w-2.st", "old");
  fs::create_symlink("nowhere", folder / "w-3.st");
  OutputFile file(folder / "w.st", 1, Existing::keep);
  EXPECT_EQ(file.path(), folder / "w-4.st");
  write_text(folder / "w-4.st", "made meanwhile");
  file.write("new");
  EXPECT_EQ(file.path(), folder / "w-5.st");
  EXPECT_EQ(read_text(folder / "w-5.st"), "new");
  EXPECT_EQ(read_text(folder / "w-4.st"), "made meanwhile");
  EXPECT_EQ(read_text(folder / "w.st"), "old");
}

TEST_F(Output, that_keeps_what_is_there_replaces_an_empty_file) {
  write_text(folder / "w", "");
  OutputFile file(folder / "w", 1, Existing::keep);
  file.write("new");
  EXPECT_EQ(read_text(folder / "w"), "new");
}

TEST_F(Output, can_be_told_at_the_end_to_keep_what_is_there) {
  write_text(folder / "w", "old");
  OutputFile file(folder / "w", 1);
  file.keep_existing();
  file.write("new");
  EXPECT_EQ(read_text(folder / "w"), "old");
  EXPECT_EQ(read_text(folder / "w-2"), "new");
}

TEST_F(Output, leaves_what_was_there_where_the_last_step_fails) {
  OutputFile file(folder / "w", 1);
  fs::create_directory(folder / "w");
  write_text(folder / "w/inside", "old");
  EXPECT_THROW(file.write("new"), Error);
  EXPECT_EQ(read_text(folder / "w/inside"), "old");
}

TEST_F(Output, removes_what_killed_processes_left_and_nothing_else) {
  const OutputFile alive(folder / "w", 1);
  const auto living = names()[0];
  write_text(folder / ".cnnc-1234-0.tmp", "left over");
  write_text(folder / ".cnnc-notes.tmp", "a user's own");
  fs::create_symlink("w", folder / ".cnnc-1-1.tmp");
  write_file(folder / "v", "new");
  EXPECT_THAT(names(), UnorderedElementsAre(living, ".cnnc-notes.tmp", ".cnnc-1-1.tmp", "v"));
}

TEST(SameFile, is_told_by_device_and_inode_or_by_where_links_lead) {
  const TempFolder folder;
  write_text(folder / "a", "x");
  fs::create_hard_link(folder / "a", folder / "b");
  fs::create_symlink("new", folder / "link");
  EXPECT_TRUE(is_same_file(folder / "a", folder / "b"));
  EXPECT_TRUE(is_same_file(folder / "link", folder / "./new"));
  EXPECT_FALSE(is_same_file(folder / "a", folder / "new"));
  EXPECT_TRUE(is_same_file("-", "/dev/stdout"));
  EXPECT_FALSE(is_same_file("-", "./-"));
}

}  // namespace
}  // namespace cnnc::testing
