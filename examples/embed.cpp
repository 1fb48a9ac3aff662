// cnnc as a library: compile a model from its text, train it for a few steps, ask it about an
// image.
//   build/release/embed        needs MNIST in a data folder, as the tool does
#include <fmt/format.h>

#include "runtime/train/prediction.h"
#include "runtime/train/training.h"

constexpr const char* kModel = R"(
model digits {
  input(28x28x1) -> conv(16, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten -> dense(10) -> softmax
}
train { data = mnist  loss = cross_entropy  optimizer = sgd(lr=0.05, momentum=0.9)  batch = 64  epochs = 1 }
)";

int main() try {
  const cnnc::Language language = cnnc::Language::standard();
  cnnc::Session session(cnnc::parse_model({.name = "digits", .text = kModel}, language), language);

  const auto folders = cnnc::data_folders(std::nullopt);
  const cnnc::Dataset train = cnnc::load_dataset(folders, "mnist", cnnc::Split::train);
  const cnnc::Dataset test = cnnc::load_dataset(folders, "mnist", cnnc::Split::test);

  cnnc::TrainOptions options;
  options.steps = 100;
  cnnc::TrainCallbacks callbacks;
  callbacks.step = [](const cnnc::StepReport& report) {
    if (report.step % 20 == 0) fmt::print("step {}: loss {:.3f}\n", report.step, report.loss);
  };
  const cnnc::TrainResult result = cnnc::train(session, train, &test, options, callbacks);

  const auto scores = cnnc::predict(session, test.pixels_of(0));
  fmt::print("{}\n{}\n", cnnc::prediction_line("test image 0", scores, test.class_names),
             to_string(result.test.value()));
  return 0;
} catch (const cnnc::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
