// The tool as a process: every kind of bad input gets a clear message and exit code 1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <limits>

#include "frontend/model.h"
#include "runtime/png.h"
#include "runtime/safetensors.h"
#include "runtime/session.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;

/// Files by name, the command, and what the message must say.
struct Mistake {
  std::string name;
  std::function<void(const std::filesystem::path& folder)> prepare;
  std::vector<std::string> arguments;
  std::vector<std::string> messages;
};
void PrintTo(const Mistake& mistake, std::ostream* stream) { *stream << mistake.name; }

class BadInput : public ::testing::TestWithParam<Mistake> {};

TEST_P(BadInput, exits_with_1_and_says_what_is_wrong) {
  const TempFolder folder;
  write_tiny(folder.path());
  GetParam().prepare(folder.path());
  const Outcome outcome = run_tool(folder.path(), GetParam().arguments);
  EXPECT_EQ(outcome.code, 1) << outcome;
  for (const auto& message : GetParam().messages)
    EXPECT_THAT(outcome.err, HasSubstr(message)) << outcome;
  EXPECT_LT(outcome.err.size(), 20000u) << "a message, not a flood";
}

std::function<void(const std::filesystem::path&)> with_file(std::string name, std::string text) {
  return [name, text](const std::filesystem::path& folder) { write_text(folder / name, text); };
}

Mistake bad_model(const std::string& name, const std::string& text,
                  std::vector<std::string> messages) {
  messages.insert(messages.begin(), "bad.model");
  return {name, with_file("bad.model", text), {"bad.model"}, messages};
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    model, BadInput,
    ::testing::Values(
        bad_model("unknown_layer", "model m { input(8x8x1) -> maxpol(2x2) }",
                  {":1:", "maxpol", "maxpool"}),
        bad_model("wrong_argument", "model m { input(8x8x1) -> conv(4, 3x3, paid=1) }",
                  {":1:", "paid", "pad"}),
        bad_model("shapes_that_do_not_fit",
                  "model m { input(8x8x1) -> relu -> add(x)\n x = input -> maxpool(2x2) }",
                  {":1:"}),
        bad_model("undefined_name", "model m { input(8x8x1) -> relu -> add(skip) }",
                  {":1:", "skip"}),
        bad_model("negative_size", "model m { input(8x8x1) -> conv(-4, 3x3) }", {":1:"}),
        bad_model("zero_size", "model m { input(8x0x1) -> relu }", {":1:"}),
        bad_model("overflowing_size", "model m { input(9999999999x9999999999x9999999999) -> relu }",
                  {":1:"}),
        bad_model("product_beyond_the_limit", "model m { input(65536x65536x4096) -> relu }",
                  {":1:"}),
        bad_model("deep_parentheses",
                  "model m { input(8x8x1) -> conv" + repeated("(", 100000) + " }", {":1:"}),
        bad_model("deep_blocks", repeated("block b { ", 100000), {":1:"}),
        bad_model("not_utf8", "model m { input(8x8x1) -> r\xff\xfe lu }", {":1:"}),
        bad_model("empty", "", {}),
        Mistake{"missing", [](const auto&) {}, {"none.model"}, {"none.model"}},
        Mistake{"folder",
                [](const auto& folder) { std::filesystem::create_directory(folder / "bad.model"); },
                {"bad.model"},
                {"bad.model", "folder"}},
        Mistake{"too_large",
                with_file("bad.model", std::string((1 << 20) + 1, ' ')),
                {"bad.model"},
                {"bad.model"}},
        Mistake{"no_train_section",
                with_file("bad.model", "model m { input(8x8x1) -> flatten -> dense(3) }"),
                {"bad.model", "--train"},
                {"train section"}}),
    kRowName);

Mistake bad_data(const std::string& name, const std::string& file, const std::string& bytes,
                 std::vector<std::string> messages) {
  return {name, with_file("tiny/" + file, bytes), {"tiny.model", "--train"}, messages};
}

/// Zeros without end, well compressed.
std::string gzip_bomb(std::size_t size) {
  std::string result(size / 500 + 1024, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  const std::string header = big_endian(2051) + big_endian(100) + big_endian(8) + big_endian(8);
  std::string zeros(1 << 20, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(header.data()));
  stream.avail_in = static_cast<uInt>(header.size());
  deflate(&stream, Z_NO_FLUSH);
  for (std::size_t done = 0; done < size; done += zeros.size()) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(zeros.size());
    deflate(&stream, Z_NO_FLUSH);
  }
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

Dataset with_labels(std::uint8_t label) {
  Dataset data = tiny_dataset(100, 1);
  data.labels[7] = label;
  return data;
}

Dataset with_image(Dims image) {
  Dataset data = tiny_dataset(100, 1);
  data.image = std::move(image);
  return data;
}

INSTANTIATE_TEST_SUITE_P(
    data, BadInput,
    ::testing::Values(
        Mistake{"missing",
                [](const auto& folder) { std::filesystem::remove_all(folder / "tiny"); },
                {"tiny.model", "--train"},
                {"tiny", "CNNC_DATA"}},
        Mistake{"no_such_folder",
                [](const auto&) {},
                {"tiny.model", "--train", "--data", "nowhere"},
                {"nowhere"}},
        bad_data("truncated", "train-images-idx3-ubyte",
                 idx_images(tiny_dataset(100, 1)).substr(0, 1000), {"train-images-idx3-ubyte"}),
        bad_data("wrong_magic", "train-images-idx3-ubyte", "PK" + idx_images(tiny_dataset(100, 1)),
                 {"train-images-idx3-ubyte"}),
        bad_data("counts_disagree", "train-labels-idx1-ubyte", idx_labels(tiny_dataset(99, 1)),
                 {"100", "99"}),
        bad_data("label_beyond_classes", "train-labels-idx1-ubyte", idx_labels(with_labels(3)),
                 {"label", "7"}),
        bad_data("image_size", "train-images-idx3-ubyte", idx_images(with_image({4, 16, 1})),
                 {"[4,16,1]", "[8,8,1]"}),
        bad_data("gzip_bomb", "train-images-idx3-ubyte", gzip_bomb(64 << 20),
                 {"train-images-idx3-ubyte"})),
    kRowName);

Session tiny_session() {
  const Language language = Language::standard();
  return Session(parse_model({.name = "tiny", .text = kTinyModel}, language), language);
}

void write_weights(const std::filesystem::path& folder,
                   const std::function<void(Tensors&)>& spoil = {}) {
  Tensors weights = tiny_session().weights();
  if (spoil) spoil(weights);
  write_safetensors(folder / "tiny.safetensors", weights);
}

Mistake bad_weights(const std::string& name, const std::function<void(Tensors&)>& spoil,
                    std::vector<std::string> messages) {
  messages.insert(messages.begin(), "tiny.safetensors");
  return {name,
          [spoil](const auto& folder) { write_weights(folder, spoil); },
          {"tiny.model", "--eval"},
          messages};
}

void set(Tensors& weights, const std::string& name, double value) {
  weights.at(name).set(5, value);
}

INSTANTIATE_TEST_SUITE_P(
    weights, BadInput,
    ::testing::Values(
        Mistake{"no_file",
                [](const auto&) {},
                {"tiny.model", "--eval"},
                {"tiny.safetensors", "--train"}},
        Mistake{"no_init_file",
                [](const auto&) {},
                {"tiny.model", "--train", "--init", "none.safetensors"},
                {"none.safetensors"}},
        bad_weights("missing_tensor", [](Tensors& weights) { weights.erase("conv1.weight"); },
                    {"conv1.weight", "missing"}),
        bad_weights("extra_tensor",
                    [](Tensors& weights) {
                      weights.emplace("conv9.bias", Tensor({ScalarType::f32, {4}}));
                    },
                    {"conv9.bias", "not a parameter"}),
        bad_weights("wrong_shape",
                    [](Tensors& weights) {
                      weights.at("dense1.weight") = Tensor({ScalarType::f32, {3, 64}});
                    },
                    {"dense1.weight", "f32[3,64]", "f32[64,3]"}),
        bad_weights("wrong_type",
                    [](Tensors& weights) {
                      weights.at("conv1.bias") = Tensor({ScalarType::i32, {4}});
                    },
                    {"conv1.bias", "i32[4]", "f32[4]"}),
        bad_weights("nan",
                    [](Tensors& weights) {
                      set(weights, "conv1.weight", std::numeric_limits<double>::quiet_NaN());
                    },
                    {"conv1.weight", "nan", "element 5"}),
        bad_weights("infinity",
                    [](Tensors& weights) {
                      set(weights, "conv1.weight", std::numeric_limits<double>::infinity());
                    },
                    {"conv1.weight", "inf"}),
        Mistake{"truncated",
                [](const auto& folder) {
                  write_weights(folder);
                  std::filesystem::resize_file(folder / "tiny.safetensors", 400);
                },
                {"tiny.model", "--eval"},
                {"tiny.safetensors"}},
        Mistake{
            "header_lies",
            with_file("tiny.safetensors", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)),
            {"tiny.model", "--eval"},
            {"tiny.safetensors"}}),
    kRowName);

Mistake bad_picture(const std::string& name, const std::string& bytes,
                    std::vector<std::string> messages) {
  messages.insert(messages.begin(), "bad.png");
  return {name,
          [bytes](const auto& folder) {
            write_weights(folder);
            write_text(folder / "bad.png", bytes);
          },
          {"tiny.model", "--predict", "bad.png"},
          messages};
}

std::string png_bytes() {
  const auto bytes = encode_png(Picture(9, 7, 3, 200));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A PNG whose header claims a size; its checksum is the right one.
std::string png_of_size(std::int64_t side) {
  std::string png = png_bytes();
  png.replace(16, 8, big_endian(side) + big_endian(side));
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17);
  png.replace(29, 4, big_endian(static_cast<std::int64_t>(crc)));
  return png;
}

INSTANTIATE_TEST_SUITE_P(
    picture, BadInput,
    ::testing::Values(bad_picture("not_a_png", "GIF89a, or so it says", {}),
                      bad_picture("broken", png_bytes().substr(0, 60), {}),
                      bad_picture("huge", png_of_size(1 << 30), {}),
                      Mistake{"missing",
                              [](const auto& folder) { write_weights(folder); },
                              {"tiny.model", "--predict", "none.png"},
                              {"none.png"}},
                      Mistake{"index_beyond_the_test_set",
                              [](const auto& folder) { write_weights(folder); },
                              {"tiny.model", "--predict", "60"},
                              {"60", "59"}},
                      Mistake{"index_beyond_all_numbers",
                              [](const auto& folder) { write_weights(folder); },
                              {"tiny.model", "--predict", "99999999999999999999"},
                              {"59"}}),
    kRowName);

INSTANTIATE_TEST_SUITE_P(
    output, BadInput,
    ::testing::Values(Mistake{"weights_in_no_folder",
                              [](const auto&) {},
                              {"tiny.model", "--train", "-o", "none/w.safetensors"},
                              {"none/w.safetensors"}},
                      Mistake{"weights_over_a_folder",
                              [](const auto&) {},
                              {"tiny.model", "--train", "-o", "tiny"},
                              {"tiny", "folder"}},
                      Mistake{"metrics_in_no_folder",
                              [](const auto&) {},
                              {"tiny.model", "--train", "--metrics", "none/m.jsonl"},
                              {"none/m.jsonl"}},
                      Mistake{"text_in_no_folder",
                              [](const auto&) {},
                              {"tiny.model", "--emit", "model", "-o", "none/m"},
                              {"none/m"}}),
    kRowName);

}  // namespace
}  // namespace cnnc::testing
