#include "runtime/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "ir/base/diagnostic.h"
#include "runtime/io/file.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data = {}) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i));
  return text + header + data;
}

std::string error_of(const std::string& bytes) {
  try {
    parse_safetensors(std::as_bytes(std::span(bytes)), "weights");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("weights: "));
    return error.what();
  }
  return "no error";
}

class SafetensorsFile : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("cnnc-safetensors-{}", ::getpid());
};

std::string contents_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

Tensors one_of_each_type() {
  Tensors tensors;
  for (ScalarType type : {ScalarType::f32, ScalarType::f64, ScalarType::i8, ScalarType::u8,
                          ScalarType::i32, ScalarType::u32, ScalarType::i64, ScalarType::boolean}) {
    Tensor tensor({type, {2, 3}});
    for (std::int64_t i = 0; i < 6; ++i) tensor.set(i, type == ScalarType::boolean ? i % 2 : i + 1);
    tensors.emplace(fmt::format("{} \"name\" ü", name_of(type)), tensor);
  }
  tensors.emplace("scalar", Tensor({ScalarType::f64, {}}));
  tensors.emplace("empty", Tensor({ScalarType::f32, {0, 4}}));
  return tensors;
}

TEST_F(SafetensorsFile, what_is_written_reads_back_the_same) {
  const Tensors tensors = one_of_each_type();
  write_safetensors(folder_ / "a", tensors, {{"format", "pt"}});
  Metadata metadata;
  const Tensors back = read_safetensors(folder_ / "a", &metadata);
  EXPECT_EQ(metadata, (Metadata{{"format", "pt"}}));
  ASSERT_EQ(back.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const auto found = back.find(name);
    ASSERT_NE(found, back.end()) << name;
    EXPECT_EQ(found->second.type(), tensor.type()) << name;
    EXPECT_TRUE(std::ranges::equal(found->second.bytes(), tensor.bytes())) << name;
  }
}

TEST_F(SafetensorsFile, equal_tensors_make_equal_files_with_aligned_data) {
  write_safetensors(folder_ / "a", one_of_each_type());
  write_safetensors(folder_ / "b", one_of_each_type());
  const std::string bytes = contents_of(folder_ / "a");
  EXPECT_EQ(bytes, contents_of(folder_ / "b"));
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);
  EXPECT_EQ(files(), 2U);
}

TEST_F(SafetensorsFile, no_tensors_are_a_file_too) {
  write_safetensors(folder_ / "a", {});
  EXPECT_TRUE(read_safetensors(folder_ / "a").empty());
}

TEST(Safetensors, every_truncation_and_every_extra_byte_is_reported) {
  const std::string whole = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                    R"("b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})",
                                    "12345678x");
  EXPECT_EQ(error_of(whole), "no error");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(error_of(whole.substr(0, length)), "no error") << length;
  EXPECT_THAT(error_of(whole + "y"), HasSubstr("1 bytes follow"));
}

TEST(Safetensors, every_lie_of_a_header_is_named) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  struct Case {
    std::string header, data, expected;
  };
  const std::string good = tensor("F32", "[1]", "[0,4]");
  const std::vector<Case> cases = {
      {"[1,2]", "", "expected an object"},
      {"7", "", "expected an object"},
      {"", "", "not valid JSON"},
      {"{\"a\":", "", "not valid JSON"},
      {"{\"a\xff\":1}", "", "not valid JSON"},
      {"{} x", "", "not valid JSON"},
      {R"({"a":1e999})", "", "a number that is too large"},
      {R"({"a":3})", "", "`a`: described by number"},
      {R"({"a":{}})", "", "no `dtype`"},
      {R"({"a":{"dtype":"F32"}})", "", "no `shape`"},
      {R"({"a":{"dtype":"F32","shape":[]}})", "", "no `data_offsets`"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", "1234",
       "unknown key `more`"},
      {R"({"a":)" + tensor("F8_E4M3", "[4]", "[0,4]") + "}", "1234",
       "dtype `F8_E4M3` is not supported"},
      {R"({"a":)" + tensor("F16", "[1]", "[0,4]") + "}", "1234",
       "hold 4 bytes, but F16[1] needs 2"},
      {R"({"a":)" + tensor("F32", "[-1]", "[0,4]") + "}", "1234", "`shape` holds -1"},
      {R"({"a":)" + tensor("F32", "[1.0]", "[0,4]") + "}", "1234", "`shape` holds 1.0"},
      {R"({"a":)" + tensor("F32", "[18446744073709551615]", "[0,4]") + "}", "1234",
       "`shape` holds 1844"},
      {R"({"a":)" + tensor("F32", "[4294967296,4294967296]", "[0,4]") + "}", "1234",
       "more elements than the limit"},
      {R"({"a":)" + tensor("F32", "[2]", "[0,4]") + "}", "1234",
       "hold 4 bytes, but F32[2] needs 8"},
      {R"({"a":)" + tensor("F64", "[1]", "[0,4]") + "}", "1234",
       "hold 4 bytes, but F64[1] needs 8"},
      {R"({"a":)" + tensor("F32", "[1]", "[4,0]") + "}", "1234", "lie outside"},
      {R"({"a":)" + tensor("F32", "[1]", "[0,8]") + "}", "1234", "lie outside the 4 bytes"},
      {R"({"a":)" + tensor("F32", "[1]", "[9223372036854775807,9223372036854775807]") + "}", "1234",
       "lie outside"},
      {R"({"a":)" + tensor("F32", "[1]", "[-4,0]") + "}", "1234", "not whole numbers"},
      {R"({"a":)" + tensor("F32", "[1]", "[0,4,8]") + "}", "1234", "`data_offsets` of two"},
      {R"({"a":)" + good + R"(,"b":)" + tensor("F32", "[1]", "[2,6]") + "}", "123456",
       "`a` and `b` overlap"},
      {R"({"a":)" + good + R"(,"b":)" + good + "}", "1234", "`a` and `b` overlap"},
      {R"({"a":)" + good + R"(,"b":)" + tensor("F32", "[1]", "[6,10]") + "}", "1234567890",
       "bytes 4 to 6 of the data, before tensor `b`"},
      {R"({"a":)" + good + "}", "12345", "1 bytes follow"},
      {R"({"a":)" + good + R"(,"a":)" + good + "}", "1234", "`a` twice"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234",
       "`dtype` twice"},
      {R"({"a":)" + tensor("BOOL", "[2]", "[0,2]") + "}", "\1\2", "byte 1 of a BOOL"},
      {R"({"__metadata__":3})", "", "`__metadata__` is number"},
      {R"({"__metadata__":{"a":[1]}})", "", "`a` is array"},
      {std::string(1'000'000, '['), "", "nested deeper"},
      {"\xef\xbb\xbf{}", "", "byte 8: the header begins with a byte order mark"},
      {std::string("{}\0\0", 4), "", "byte 10: the header holds a NUL"},
      {std::string("{\"a\0\":1}", 8), "", "byte 11: the header holds a NUL"},
      {std::string(500'000, '[') + std::string(500'000, ']'), "", "nested deeper"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(error_of(file_of(each.header, each.data)), HasSubstr(each.expected))
        << each.header.substr(0, 200);
  }
}

TEST(Safetensors, metadata_may_be_null_and_headers_padded_with_blanks) {
  EXPECT_EQ(error_of(file_of(R"({"__metadata__":null})")), "no error");
  EXPECT_EQ(error_of(file_of(" {}\n\t  ")), "no error");
}

std::vector<float> values_of(const std::string& dtype, const std::vector<std::uint16_t>& bits) {
  const std::string size = std::to_string(bits.size());
  const std::string bytes =
      file_of(R"({"a":{"dtype":")" + dtype + R"(","shape":[)" + size + R"(],"data_offsets":[0,)" +
                  std::to_string(2 * bits.size()) + "]}}",
              {reinterpret_cast<const char*>(bits.data()), 2 * bits.size()});
  const Tensors tensors = parse_safetensors(std::as_bytes(std::span(bytes)), "weights");
  EXPECT_EQ(tensors.at("a").type().scalar, ScalarType::f32);
  const auto values = tensors.at("a").data<float>();
  return {values.begin(), values.end()};
}

TEST(Safetensors, every_half_is_widened_to_its_value) {
  std::vector<std::uint16_t> all(0x10000);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  const auto halves = values_of("F16", all), upper = values_of("BF16", all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int sign = (i & 0x8000) == 0 ? 1 : -1, exponent = static_cast<int>(i >> 10 & 31);
    const double fraction = static_cast<double>(i & 1023) / 1024;
    if (exponent == 31) {
      EXPECT_TRUE(fraction == 0 ? std::isinf(halves[i]) : std::isnan(halves[i])) << i;
    } else {
      EXPECT_EQ(halves[i], exponent == 0 ? sign * fraction * std::ldexp(1.0, -14)
                                         : sign * (1 + fraction) * std::ldexp(1.0, exponent - 15))
          << i;
    }
    EXPECT_EQ(std::signbit(halves[i]), sign < 0) << i;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(upper[i]), i << 16);
  }
}

TEST(Safetensors, tens_of_thousands_of_tensors_are_read) {
  std::string header = "{", data(40'000, '\1');
  for (int i = 0; i < 40'000; ++i) {
    header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})",
                          i == 0 ? "" : ",", i, i, i + 1);
  }
  const std::string bytes = file_of(header + "}", data);
  EXPECT_EQ(parse_safetensors(std::as_bytes(std::span(bytes)), "weights").size(), 40'000U);
}

TEST(Safetensors, header_lengths_are_checked_before_anything_is_allocated) {
  EXPECT_THAT(error_of(std::string(8, '\xff')), HasSubstr("limit is 100000000"));
  EXPECT_THAT(error_of(file_of("{}").replace(0, 1, "\x63")), HasSubstr("only 2 follow"));
  EXPECT_THAT(error_of("\x89PNG\r\n\x1a\n..."), HasSubstr("is this a safetensors file?"));
}

TEST(Safetensors, random_changes_of_a_byte_never_crash) {
  const std::string whole = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                    R"("b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})",
                                    "12345678x");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; value += 5) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      error_of(changed);
    }
  }
}

TEST_F(SafetensorsFile, a_full_disk_leaves_the_old_file_whole_and_no_temporary) {
  const fs::path path = folder_ / "weights";
  Tensors small, large;
  small.emplace("a", Tensor({ScalarType::f32, {4}}));
  large.emplace("a", Tensor({ScalarType::f32, {1 << 16}}));
  write_safetensors(path, small);
  const std::string before = contents_of(path);

  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit limit = {.rlim_cur = 10'000, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::string text = "no error";
  try {
    write_safetensors(path, large);
  } catch (const Error& error) {
    text = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_THAT(text, AllOf(HasSubstr(path.string()), HasSubstr("File too large"),
                          HasSubstr("the old file is unchanged")));
  EXPECT_EQ(contents_of(path), before);
  EXPECT_EQ(files(), 1U);
}

TEST_F(SafetensorsFile, unwritable_places_are_reported) {
  const auto error_at = [](const fs::path& path) -> std::string {
    try {
      write_safetensors(path, {});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(error_at("/dev/full"), HasSubstr("No space left on device"));
  EXPECT_THAT(error_at(folder_ / "file" / "below"), HasSubstr("Not a directory"));
  EXPECT_THAT(error_at(folder_ / "none" / "below"), HasSubstr("there is no folder"));
  EXPECT_THAT(error_at(folder_), HasSubstr("is a folder"));
  EXPECT_EQ(error_at("/dev/null"), "no error");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(SafetensorsFile, replacing_keeps_permissions_and_follows_links) {
  write_file(folder_ / "file", "old");
  fs::permissions(folder_ / "file", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("file", folder_ / "link");
  write_file(folder_ / "link", "new");
  EXPECT_EQ(contents_of(folder_ / "file"), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(fs::status(folder_ / "file").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(SafetensorsFile, folders_and_missing_files_cannot_be_read) {
  const auto error_at = [](const fs::path& path) -> std::string {
    try {
      read_safetensors(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_at(folder_), HasSubstr("is a folder"));
  EXPECT_THAT(error_at(folder_ / "none"), HasSubstr("No such file"));
}

TEST(RealSafetensors, the_reference_weights_of_another_writer_read) {
  const char* folder = std::getenv("CNNC_DATA");
  if (folder == nullptr || !fs::exists(fs::path(folder) / "reference"))
    GTEST_SKIP() << "no reference weights: set CNNC_DATA";
  const fs::path reference = fs::path(folder) / "reference";
  for (const auto& run : fs::directory_iterator(reference)) {
    EXPECT_FALSE(read_safetensors(run.path() / "weights_initial.safetensors").empty())
        << run.path();
    EXPECT_FALSE(read_safetensors(run.path() / "weights_final.safetensors").empty()) << run.path();
  }
  const Tensors weights = read_safetensors(reference / "seed-sgd" / "weights_initial.safetensors");
  const auto found = weights.find("conv2.weight");
  ASSERT_NE(found, weights.end());
  EXPECT_EQ(found->second.type(), (TensorType{ScalarType::f32, {3, 3, 32, 64}}));
  double squares = 0;
  for (float value : found->second.data<float>()) squares += static_cast<double>(value) * value;
  // PyTorch's default: uniform in +-1/sqrt(fan in).
  EXPECT_NEAR(squares / static_cast<double>(found->second.size()), 1.0 / (3 * 9 * 32), 1e-5);
}

}  // namespace
}  // namespace cnnc
