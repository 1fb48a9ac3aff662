// What is said of single images: by the library and by the tool.
#include "runtime/train/prediction.h"
#include "runtime/train/not_finite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "runtime/io/png.h"
#include "runtime/io/seen_images.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Model model(const std::string& text) {
  return parse_model({.name = "m.model", .text = text}, Language::standard());
}
bool has_probabilities(const std::string& head) {
  return yields_probabilities(
      model("model m { input(4x4x1) -> flatten -> dense(3) -> " + head + " }"),
      Language::standard());
}

TEST(Prediction, a_head_has_probabilities_by_its_layers_meaning) {
  EXPECT_TRUE(has_probabilities("softmax"));
  EXPECT_TRUE(has_probabilities("softmax -> flatten -> dropout(0.5)"));
  EXPECT_FALSE(has_probabilities("relu"));
  EXPECT_FALSE(has_probabilities("softmax -> dense(2)"));
  EXPECT_FALSE(has_probabilities("softmax -> relu"));
  EXPECT_FALSE(
      yields_probabilities(model("model m { input(4x4x1) -> flatten }"), Language::standard()));
  Language own = Language::standard();
  LayerDef layer = *own.layers.at("relu");
  layer.name = "shares";
  layer.meaning = Meaning::probabilities;
  own.add(layer);
  EXPECT_TRUE(yields_probabilities(
      parse_model({.name = "m.model", .text = "model m { input(4x4x1) -> flatten -> shares }"},
                  own),
      own));
}

TEST(Prediction, numbers_are_no_percent) {
  const Prediction numbers{.scores = {{2, 15.2975}, {0, -0.25}}, .probabilities = false};
  EXPECT_EQ(prediction_line("a.png", numbers, {}), "a.png: output 2 = 15.3, output 0 = -0.25");
  const std::vector<std::string> names = {"cat", "dog", "bird"};
  EXPECT_EQ(prediction_line("a.png", numbers, names), "a.png: bird = 15.3, cat = -0.25");
  const Prediction shares{.scores = {{2, 0.75}, {0, 0.25}}};
  EXPECT_EQ(prediction_line("a.png", shares, {}), "a.png: 2 (75.00 %), 0 (25.00 %)");
  const std::vector<std::uint8_t> image(16);
  const auto drawn = draw_prediction(image, {4, 4, 1}, "a.png", numbers, {}, Shading::ascii);
  EXPECT_THAT(drawn, AllOf(HasSubstr("output 2       15.3\n"), Not(HasSubstr("%"))));
}

TEST(Prediction, a_drawing_fits_the_terminal) {
  const std::vector<std::uint8_t> image(28 * 28), wide(28 * 60);
  const Prediction shares{.scores = {{2, 0.75}, {0, 0.25}}};
  const std::string title =
      "a photograph from a telephone.png (3024x4032 RGB -> 28x28 grey, inverted: the model knows "
      "light on dark)";
  for (const int columns : {20, 40, 60, 80, 100, 200}) {
    for (const auto& [pixels, dims] : {std::pair(image, Dims{28, 28, 1}), {wide, {28, 60, 1}}}) {
      const auto text = draw_prediction(pixels, dims, title, shares, {}, Shading::ascii, columns);
      std::string joined;
      for (const auto& line : lines_of(text)) {
        EXPECT_LE(columns_of(line), std::max(columns, 33)) << columns << ": " << line;
        std::istringstream words(line);
        for (std::string word; words >> word;) joined += word + " ";
      }
      EXPECT_THAT(joined, HasSubstr(columns < 60 ? "telephone" : title)) << columns;
    }
  }
}

TEST(SeenImages, are_written_and_read_back) {
  Dataset data = tiny_dataset(2, 1);
  data.image = {2, 2, 1};
  data.pixels = {0, 10, 20, 30, 40, 50, 60, 250};
  const SeenImages seen = look_at(data);
  EXPECT_EQ(seen, (SeenImages{.mean = 57.5, .border = 57.5, .low = 0, .high = 250}));
  EXPECT_EQ(seen_images(to_metadata(seen), "file"), seen);
  EXPECT_EQ(seen_images({{"format", "pt"}}, "file"), std::nullopt);
  for (const auto& [key, value] : Metadata{{"cnnc.images.mean", "many"},
                                           {"cnnc.images.mean", ""},
                                           {"cnnc.images.border", "256"},
                                           {"cnnc.images.border", "nan"},
                                           {"cnnc.images.range", "0"},
                                           {"cnnc.images.range", "0 1 2"}}) {
    Metadata broken = to_metadata(seen);
    broken[key] = value;
    EXPECT_THROW(seen_images(broken, "file"), Error) << key << " " << value;
    broken.erase(key);
    EXPECT_THROW(seen_images(broken, "file"), Error) << "without " << key;
  }
  data.count = 0;
  EXPECT_THROW(look_at(data), Error);
}

TEST(SeenImages, tell_a_picture_from_its_negative) {
  const Picture light(2, 2, 1, 255), dark(2, 2, 1, 0);
  const SeenImages on_dark{.mean = 30, .border = 1}, on_light{.mean = 220, .border = 254},
      photos{.mean = 120, .border = 125};
  EXPECT_TRUE(is_negative(light, on_dark));
  EXPECT_FALSE(is_negative(dark, on_dark));
  EXPECT_FALSE(is_negative(light, on_light));
  EXPECT_TRUE(is_negative(dark, on_light));
  EXPECT_FALSE(is_negative(light, photos) || is_negative(dark, photos));
}

TEST(Evaluation, outputs_that_are_not_finite_are_counted_and_named) {
  Session session(model(kTinyModel), Language::standard(), {.threads = 1});
  Tensors weights = session.weights();
  // Both finite: their product is not.
  for (float& value : weights.at("conv1.bias").data<float>()) value = 3e38f;
  for (float& value : weights.at("dense1.weight").data<float>()) value = 3e38f;
  session.set_weights(weights);
  const Dataset data = tiny_dataset(3, 1);
  const auto message = [&](auto&& f) -> std::string {
    try {
      f();
    } catch (const NotFinite& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { require_finite(evaluate(session, data)); }),
              StartsWith("the outputs for 3 of 3 images are not finite"));
  EXPECT_THAT(message([&] { predict(session, data.pixels_of(1), 3, "a.png"); }),
              StartsWith("a.png: the model's output 0 is nan"));
}

class Predict : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny(folder.path());
    ASSERT_EQ(run("--train", "--epochs", "10").code, 0);
    const Dataset test = tiny_dataset(60, 2);
    label = std::to_string(test.labels[0]);
    Picture picture(8, 8, 1);
    picture.pixels.assign(test.pixels.begin(), test.pixels.begin() + 64);
    write_png(folder / "dark.png", picture);
    write_png(folder / "light.png", inverted(picture));
    write_png(folder / "blank.png", Picture(8, 8, 1, 7));
    write_text(folder / "broken.png", "GIF89a");
  }
  template <class... Arguments>
  Outcome run(Arguments... arguments) const {
    return run_tool(folder.path(), {"tiny.model", arguments...});
  }

  TempFolder folder;
  std::string label;
};

TEST_F(Predict, says_the_same_without_the_data) {
  const Outcome with = run("--predict", "dark.png", "light.png");
  EXPECT_EQ(with.code, 0) << with;
  EXPECT_THAT(
      lines_of(with.out),
      ElementsAre(StartsWith("dark.png: " + label + " ("),
                  StartsWith("light.png (inverted: the model knows light on dark): " + label)));
  std::filesystem::remove_all(folder / "tiny");
  EXPECT_EQ(run("--predict", "dark.png", "light.png").out, with.out);
}

TEST_F(Predict, shows_what_it_can_and_exits_with_1_where_that_is_not_all) {
  const Outcome some = run("--predict", "broken.png", "0", "none.png", "99", "dark.png");
  EXPECT_EQ(some.code, 1) << some;
  EXPECT_THAT(lines_of(some.out), ElementsAre(StartsWith("test image 0, labelled " + label + ": "),
                                              StartsWith("dark.png: " + label)));
  EXPECT_THAT(lines_of(some.err), ElementsAre(StartsWith("broken.png: "), StartsWith("none.png: "),
                                              StartsWith("test image 99: ")));
  std::filesystem::remove_all(folder / "tiny");
  const Outcome pictures = run("--predict", "0", "1", "dark.png");
  EXPECT_EQ(pictures.code, 1) << pictures;
  EXPECT_THAT(lines_of(pictures.out), ElementsAre(StartsWith("dark.png: " + label)));
  EXPECT_THAT(pictures.err, StartsWith("tiny.model: data set `tiny` not found"));
}

TEST_F(Predict, says_that_a_picture_is_blank) {
  EXPECT_THAT(run("--predict", "blank.png").out,
              StartsWith("blank.png (blank: all its pixels are alike): "));
}

TEST_F(Predict, says_what_it_assumes_of_weights_that_do_not_say_what_their_training_saw) {
  write_safetensors(folder / "tiny.safetensors", read_safetensors(folder / "tiny.safetensors"));
  const Outcome light = run("--predict", "light.png");
  EXPECT_EQ(light.code, 0) << light;
  EXPECT_THAT(light.out, StartsWith("light.png (inverted: the model is taken to know light on "
                                    "dark): " +
                                    label));
  EXPECT_THAT(lines_of(light.err),
              ElementsAre("tiny.safetensors: does not say what its training saw; light on dark is "
                          "assumed, as in MNIST"));
  EXPECT_EQ(run("--predict", "0").err, "") << "no picture, nothing assumed";
}

TEST_F(Predict, inverts_a_dark_picture_for_a_network_that_knows_dark_on_light) {
  Dataset train = tiny_dataset(100, 1);
  for (auto& pixel : train.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  write_text(folder / "tiny/train-images-idx3-ubyte", idx_images(train));
  ASSERT_EQ(run("--train", "--overwrite", "--epochs", "10").code, 0);
  EXPECT_THAT(
      lines_of(run("--predict", "dark.png", "light.png").out),
      ElementsAre(StartsWith("dark.png (inverted: the model knows dark on light): " + label),
                  StartsWith("light.png: " + label)));
}

TEST_F(Predict, outputs_that_are_not_finite_end_with_3) {
  Tensors weights = read_safetensors(folder / "tiny.safetensors");
  for (float& value : weights.at("conv1.bias").data<float>()) value = 3e38f;
  for (float& value : weights.at("dense1.weight").data<float>()) value = 3e38f;
  write_safetensors(folder / "w.safetensors", weights);
  const Outcome evaluated = run("--eval", "--weights", "w.safetensors");
  EXPECT_EQ(evaluated.code, 3) << evaluated;
  EXPECT_EQ(evaluated.out, "");
  EXPECT_THAT(evaluated.err, HasSubstr("w.safetensors: the outputs for 60 of 60 images are not"));
  const Outcome predicted = run("--predict", "broken.png", "0", "--weights", "w.safetensors");
  EXPECT_EQ(predicted.code, 3) << predicted;
  EXPECT_EQ(predicted.out, "");
  EXPECT_THAT(predicted.err, HasSubstr("test image 0, labelled " + label + ": the model's output"));
}

TEST_F(Predict, pytorchs_counts_of_batches_are_left_out_with_a_line) {
  Tensors weights = read_safetensors(folder / "tiny.safetensors");
  weights.emplace("bn1.num_batches_tracked", Tensor({ScalarType::i64, {}}));
  write_safetensors(folder / "w.safetensors", weights);
  const Outcome one = run("--eval", "--weights", "w.safetensors");
  EXPECT_EQ(one.code, 0) << one;
  EXPECT_EQ(one.out, run("--eval").out);
  EXPECT_EQ(one.err,
            "w.safetensors: left out: bn1.num_batches_tracked, which nothing here needs\n");
  weights.emplace("bn2.num_batches_tracked", Tensor({ScalarType::i64, {}}));
  write_safetensors(folder / "w.safetensors", weights);
  const Outcome two = run("--train", "--steps", "1", "--init", "w.safetensors");
  EXPECT_EQ(two.code, 0) << two;
  EXPECT_THAT(two.err, HasSubstr("bn1.num_batches_tracked and 1 more counts of batches"));
}

}  // namespace
}  // namespace cnnc::testing
