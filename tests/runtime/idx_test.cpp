#include "runtime/io/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fstream>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Idx : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path plain(const std::string& bytes) {
    std::ofstream(folder_ / "file", std::ios::binary) << bytes;
    return folder_ / "file";
  }
  fs::path compressed(const std::string& bytes) {
    gzFile file = gzopen((folder_ / "file.gz").c_str(), "wb9");
    for (std::size_t at = 0; at < bytes.size(); at += 1U << 20) {
      gzwrite(file, bytes.data() + at,
              static_cast<unsigned>(std::min<std::size_t>(1U << 20, bytes.size() - at)));
    }
    gzclose(file);
    return folder_ / "file.gz";
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("cnnc-idx-{}", ::getpid());
};

std::string u32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string images(std::uint32_t count, std::uint32_t height, std::uint32_t width) {
  return u32(0x803) + u32(count) + u32(height) + u32(width);
}
std::string contents_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string error_of(const fs::path& path, int rank) {
  try {
    read_idx(path, rank);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Idx, plain_and_compressed_files_read_the_same) {
  const std::string text = images(2, 2, 3) + "abcdefghijkl";
  for (const auto& path : {plain(text), compressed(text)}) {
    const IdxData data = read_idx(path, 3);
    EXPECT_EQ(data.dims, (Dims{2, 2, 3})) << path;
    EXPECT_EQ(std::string(data.values.begin(), data.values.end()), "abcdefghijkl") << path;
  }
  EXPECT_EQ(read_idx(plain(u32(0x801) + u32(3) + "\1\2\3"), 1).values,
            (std::vector<std::uint8_t>{1, 2, 3}));
}

TEST_F(Idx, every_truncation_is_reported_with_its_position) {
  const std::string whole = images(2, 2, 3) + "abcdefghijkl";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    for (const auto& path : {plain(whole.substr(0, length)), compressed(whole.substr(0, length))}) {
      EXPECT_THAT(error_of(path, 3), AllOf(HasSubstr(path.string() + ": byte "),
                                           testing::ContainsRegex("ends|truncated")))
          << length << " bytes";
    }
  }
}

TEST_F(Idx, every_truncation_of_the_compressed_file_is_reported) {
  std::string noise;
  for (int i = 0; i < 500; ++i) noise += static_cast<char>((i * 7919 + i * i * 31) >> 3);
  const std::string whole = contents_of(compressed(u32(0x801) + u32(500) + noise));
  for (std::size_t length = 2; length < whole.size(); ++length) {
    EXPECT_THAT(error_of(plain(whole.substr(0, length)), 1), HasSubstr("file: "))
        << length << " of " << whole.size();
  }
}

TEST_F(Idx, a_flipped_bit_in_the_compressed_data_is_reported) {
  std::string bytes = contents_of(compressed(u32(0x801) + u32(26) + "abcdefghijklmnopqrstuvwxyz"));
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);  // in the CRC
  EXPECT_THAT(error_of(plain(bytes), 1), HasSubstr("compressed data are broken"));
}

TEST_F(Idx, wrong_magic_says_what_was_found_and_expected) {
  EXPECT_THAT(error_of(plain(u32(0x801) + u32(1) + "x"), 3),
              AllOf(HasSubstr("byte 0: magic number 2049"), HasSubstr("labels"),
                    HasSubstr("expected 2051"), HasSubstr("images")));
  EXPECT_THAT(error_of(plain("\x89PNG and more"), 3), HasSubstr("not an IDX file"));
  EXPECT_THAT(error_of(plain(u32(0xd03) + u32(1)), 3),
              HasSubstr("element type 0x0d, 3 dimensions"));
}

TEST_F(Idx, trailing_bytes_are_reported) {
  for (const auto& path : {plain(images(1, 1, 2) + "abc"), compressed(images(1, 1, 2) + "abc")}) {
    EXPECT_THAT(error_of(path, 3), HasSubstr("byte 18: more bytes than the sizes [1,1,2]"));
  }
}

TEST_F(Idx, sizes_are_checked_before_anything_is_allocated) {
  EXPECT_THAT(error_of(plain(images(0xffffffff, 0xffffffff, 0xffffffff)), 3), HasSubstr("limit"));
  EXPECT_THAT(error_of(plain(images(1U << 16, 1U << 7, 1U << 7) + "a"), 3), HasSubstr("truncated"));
  EXPECT_THAT(error_of(compressed(images(1U << 16, 1U << 7, 1U << 7) + "a"), 3),
              HasSubstr("truncated"));
  EXPECT_EQ(read_idx(plain(images(0, 28, 28)), 3).dims, (Dims{0, 28, 28}));
}

TEST_F(Idx, a_gzip_bomb_is_not_decompressed) {
  const auto path = compressed(images(1, 2, 2) + std::string(std::size_t{1} << 26, '\0'));
  EXPECT_LT(fs::file_size(path), 100'000U);
  EXPECT_THAT(error_of(path, 3), HasSubstr("byte 20: more bytes"));
}

#if !defined(__SANITIZE_ADDRESS__)
/// What read_idx says where no more memory can be had.
std::string error_without_memory(const fs::path& path) {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit old = {};
  ::getrlimit(RLIMIT_AS, &old);
  const rlimit now{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)), old.rlim_max};
  ::setrlimit(RLIMIT_AS, &now);
  std::string text = error_of(path, 3);
  ::setrlimit(RLIMIT_AS, &old);
  return text;
}

TEST_F(Idx, memory_that_runs_out_is_no_broken_file) {
  const auto path = plain(images(1, 1, 1) + "a");
  const std::string small = error_without_memory(path);
  EXPECT_THAT(small, ::testing::AnyOf("no error", HasSubstr("cannot read: out of memory")));
  const auto large = plain(images(1 << 9, 1 << 9, 1 << 9));
  fs::resize_file(large, fs::file_size(large) + (1 << 27));
  EXPECT_THAT(error_without_memory(large), HasSubstr("cannot read: out of memory"));
}
#endif

TEST_F(Idx, folders_missing_files_and_pipes_are_reported) {
  EXPECT_THAT(error_of(folder_, 3), HasSubstr("is a folder"));
  EXPECT_THAT(error_of(folder_ / "none", 3), HasSubstr("No such file"));
  EXPECT_THAT(error_of(plain("x") / "below", 3), HasSubstr("Not a directory"));
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(folder_ / "pipe", 3), HasSubstr("not a regular file"));
}

TEST_F(Idx, unreadable_files_are_reported) {
  const auto path = plain(images(0, 1, 1));
  fs::permissions(path, fs::perms::none);
  if (::access(path.c_str(), R_OK) == 0) GTEST_SKIP() << "this user reads everything";
  EXPECT_THAT(error_of(path, 3), HasSubstr("Permission denied"));
}

}  // namespace
}  // namespace cnnc
