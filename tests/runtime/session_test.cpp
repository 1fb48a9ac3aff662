// The library as an application uses it, extended from outside.
#include "runtime/train/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <numeric>
#include <thread>

#include "runtime/inspect/inspect.h"
#include "runtime/io/weights.h"
#include "runtime/train/evaluation.h"
#include "runtime/train/prediction.h"
#include "runtime/train/training.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

Session make_session(const std::string& text, const Language& language,
                     const SessionOptions& options = {}) {
  return Session(parse_model({.name = "test.model", .text = text}, language), language, options);
}

Session tiny(const SessionOptions& options = {}) {
  return make_session(kTinyModel, Language::standard(), options);
}

Batch first_rows(const Dataset& data, std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  Batch batch;
  gather(data, indices, batch);
  return batch;
}

double loss_after(Session& session, const Batch& batch, int steps, double rate) {
  double loss = 0;
  for (int step = 1; step <= steps; ++step)
    loss = session.train_step(batch, {.learning_rate = rate, .step = step}).loss;
  return loss;
}

bool same_bits(const Tensors& a, const Tensors& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.type() == y.second.type() &&
           std::ranges::equal(x.second.bytes(), y.second.bytes());
  });
}

TEST(Session, an_op_and_a_layer_from_outside_train_like_those_that_are_built_in) {
  Language language = Language::standard();
  language.ops.add(elementwise("softsign", "x / (1 + |x|)", 1, [](std::span<const Expr> x) {
    return x[0] / (constant(x[0].type(), 1) + unary(UnaryOp::abs, x[0]));
  }));
  LayerDef layer;
  layer.name = "scaled_softsign";
  layer.description = "a trained factor a channel, then softsign";
  layer.build = [](LayerContext& context) {
    const Dims channels = {context.type().dims.back()};
    const Value scale = context.parameter("scale", channels, {.kind = Initializer::Kind::ones});
    return context.builder.op("softsign", {context.builder.mul(context.inputs[0], scale)});
  };
  language.add(layer);
  Session session = make_session(R"(
    model own { input(8x8x1) -> conv(4, 3x3, pad=1) -> scaled_softsign -> maxpool(2x2) -> flatten -> dense(3) -> softmax }
    train { data = tiny  loss = cross_entropy  optimizer = sgd(lr=0.1, momentum=0.9)  batch = 16  epochs = 8 }
  )",
                                 language);
  const Dataset data = tiny_dataset(100, 1), test = tiny_dataset(60, 2);
  const Tensors before = session.weights();
  const TrainResult result = train(session, data, &test);
  EXPECT_GT(result.test.value().accuracy(), 0.95);
  EXPECT_FALSE(std::ranges::equal(before.at("scaled_softsign1.scale").bytes(),
                                  session.weights().at("scaled_softsign1.scale").bytes()));
}

TEST(Session, expressions_that_use_an_operand_twice_do_not_grow_with_their_chain) {
  const Language language = Language::standard();
  const Model model = parse_model({.name = "test.model", .text = R"(
    model m { input(8x8x1) -> dropout(0.5) -> flatten -> dense(3) -> softmax }
    train { data = tiny  loss = cross_entropy  optimizer = sgd(lr=0.1)  batch = 16 }
  )"},
                                  language);
  const ModelGraph graph = build_graph(model, language, Mode::train, 16, ScalarType::f32);
  EXPECT_LT(
      emit(graph.graph, "loops", "", {.target = named_target("x86-64-v3").value(), .skip = {}})
          .size(),
      100000u);
}

TEST(Session, training_lowers_the_loss_and_both_precisions_agree_at_first) {
  const Dataset data = tiny_dataset(100, 1);
  Session single = tiny(), twice = tiny({.real = ScalarType::f64});
  const Batch batch = first_rows(data, 16);
  const double first = single.train_step(batch, {.learning_rate = 0.1}).loss;
  EXPECT_NEAR(first, twice.train_step(batch, {.learning_rate = 0.1}).loss, 1e-5 * first);
  EXPECT_LT(loss_after(single, batch, 30, 0.1), first / 2);
}

TEST(Session, weights_taken_out_and_put_back_give_the_same_outputs) {
  const Dataset data = tiny_dataset(100, 1);
  Session trained = tiny();
  loss_after(trained, first_rows(data, 16), 5, 0.1);
  Session fresh = tiny({.seed = 7});
  fresh.set_weights(trained.weights());
  EXPECT_TRUE(same_bits(fresh.weights(), trained.weights()));
  EXPECT_THAT(fresh.infer(data.pixels), ElementsAreArray(trained.infer(data.pixels)));
}

TEST(Session, inference_sees_every_step_of_training) {
  const Dataset data = tiny_dataset(100, 1);
  Session session = tiny();
  const auto before = session.infer(data.pixels_of(0));
  loss_after(session, first_rows(data, 16), 1, 0.1);
  EXPECT_NE(session.infer(data.pixels_of(0)), before);
}

TEST(Session, initialize_forgets_training_and_momentum) {
  const Dataset data = tiny_dataset(100, 1);
  Session session = tiny();
  const Batch batch = first_rows(data, 16);
  loss_after(session, batch, 3, 0.1);
  const Tensors once = session.weights();
  session.initialize(1);
  loss_after(session, batch, 3, 0.1);
  EXPECT_TRUE(same_bits(session.weights(), once));
}

TEST(Session, weights_have_the_same_bits_for_every_number_of_threads) {
  const Dataset data = tiny_dataset(100, 1), test = tiny_dataset(60, 2);
  std::optional<Tensors> expected;
  for (const int threads : {1, 2, 3, 7}) {
    Session session = tiny({.threads = threads});
    EXPECT_EQ(session.threads(), threads);
    train(session, data, &test);
    if (!expected) expected = session.weights();
    EXPECT_TRUE(same_bits(session.weights(), *expected)) << threads << " threads";
  }
}

TEST(Session, images_are_judged_one_by_one_as_together) {
  const Dataset data = tiny_dataset(300, 1);
  Session session = tiny();
  const auto together = session.infer(data.pixels);
  ASSERT_EQ(together.size(), 900u);
  for (const std::int64_t index : {0, 1, 127, 128, 299}) {
    const auto alone = session.infer(data.pixels_of(index));
    const auto first = together.begin() + 3 * index;
    EXPECT_THAT(alone, ElementsAreArray(first, first + 3)) << "image " << index;
    EXPECT_NEAR(alone[0] + alone[1] + alone[2], 1, 1e-5) << "softmax";
  }
}

TEST(Session, predictions_come_in_descending_order) {
  const Dataset data = tiny_dataset(10, 1);
  Session session = tiny();
  const auto scores = predict(session, data.pixels_of(3), 2).scores;
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_GE(scores[0].score, scores[1].score);
}

TEST(Session, the_callers_mistakes_are_errors) {
  const Dataset data = tiny_dataset(100, 1);
  Session session = tiny();
  EXPECT_THROW(session.train_step(first_rows(data, 17), {}), Error) << "more rows than the batch";
  EXPECT_THROW(session.train_step({}, {}), Error) << "no rows";
  Batch batch = first_rows(data, 2);
  batch.labels[1] = 3;
  EXPECT_THROW(session.train_step(batch, {}), Error) << "label beyond the classes";
  EXPECT_THROW(session.infer(std::span(data.pixels).first(65)), Error) << "a part of an image";
  EXPECT_THROW(tiny({.batch = 0}), Error);
  EXPECT_THROW(tiny({.batch = 1 << 20}), Error);
  Session inference =
      make_session("model m { input(8x8x1) -> flatten -> dense(3) }", Language::standard());
  EXPECT_THROW(inference.train_step(first_rows(data, 2), {}), Error) << "no train section";
  Dataset other = tiny_dataset(4, 1);
  other.image = {4, 16, 1};
  EXPECT_THROW(evaluate(inference, other), Error) << "another size of images";
}

TEST(Session, gather_takes_images_that_are_there_alone) {
  const Dataset data = tiny_dataset(10, 1);
  Batch batch;
  for (const std::int64_t index :
       {std::int64_t{-1}, std::int64_t{10}, std::int64_t{1'000'000}, INT64_MIN, INT64_MAX}) {
    const std::vector<std::int64_t> indices = {0, index};
    EXPECT_THROW(gather(data, indices, batch), Error) << index;
    EXPECT_EQ(batch.count(), 0);
  }
  Dataset torn = data;
  torn.pixels.resize(600);
  EXPECT_THROW(gather(torn, std::vector<std::int64_t>{0}, batch), Error);
  torn = data;
  torn.labels.pop_back();
  EXPECT_THROW(gather(torn, std::vector<std::int64_t>{0}, batch), Error);
}

TEST(Session, plans_that_nobody_can_carry_out_are_refused) {
  Session session = tiny();
  const auto message = [&](std::int64_t images, const TrainOptions& options) -> std::string {
    try {
      plan_training(session, images, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message(1, {.epochs = kMaxEpochs, .steps = INT64_MAX}), "no error");
  EXPECT_THAT(message(100, {.steps = -3}), HasSubstr("the number of steps is -3"));
  EXPECT_THAT(message(100, {.steps = 0}), HasSubstr("the number of steps is 0"));
  EXPECT_THAT(message(100, {.epochs = INT64_MAX, .steps = {}}),
              HasSubstr("must be from 1 to 1000000"));
  EXPECT_THAT(message(100, {.epochs = 0, .steps = {}}), HasSubstr("the number of epochs is 0"));
  EXPECT_THAT(message(0, {}), HasSubstr("the number of images is 0"));
  EXPECT_THAT(message(100, {.steps = {}, .learning_rate = std::nan("")}),
              HasSubstr("the learning rate is nan"));
  const Dataset none = tiny_dataset(0, 1);
  EXPECT_THROW(train(session, none, nullptr), Error);
  EXPECT_THROW(evaluate(session, none), Error);
  EXPECT_THROW(tiny({.threads = -1}), Error);
}

TEST(Session, threads_that_share_a_session_get_the_results_of_one) {
  const Dataset data = tiny_dataset(64, 1);
  Session session = tiny({.threads = 2});
  const auto expected = session.infer(data.pixels);
  std::atomic<int> wrong = 0;
  const auto ask = [&](std::int64_t first) {
    for (int round = 0; round < 500; ++round) {
      const std::int64_t image = (first + round) % data.count;
      const auto got = session.infer(data.pixels_of(image));
      if (!std::ranges::equal(got,
                              std::span(expected).subspan(static_cast<std::size_t>(3 * image), 3)))
        ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < 4; ++i) threads.emplace_back(ask, 16 * i);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);

  // Training beside inference: every step counts, and each answer is of whole weights.
  Session alone = tiny({.threads = 2});
  const Batch batch = first_rows(data, 16);
  loss_after(alone, batch, 50, 0);
  std::thread trainer([&] { loss_after(session, batch, 50, 0); });
  ask(0);
  trainer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(same_bits(session.weights(), alone.weights()));
}

#if !defined(__SANITIZE_ADDRESS__)
/// As if no more memory could be had.
class FullMemory {
 public:
  FullMemory() {
    std::ifstream("/proc/self/statm") >> pages_;
    getrlimit(RLIMIT_AS, &old_);
    const rlimit now{pages_ * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)), old_.rlim_max};
    setrlimit(RLIMIT_AS, &now);
  }
  ~FullMemory() { setrlimit(RLIMIT_AS, &old_); }

 private:
  rlim_t pages_ = 0;
  rlimit old_ = {};
};

TEST(Session, trains_on_after_memory_for_its_workers_was_out) {
  const Dataset data = tiny_dataset(16, 1);
  const Batch batch = first_rows(data, 16);
  Session session = tiny({.threads = 2}), other = tiny({.threads = 2});
  session.compile_training();
  {
    const FullMemory full;
    EXPECT_THROW(loss_after(session, batch, 1, 0.1), Error);
    EXPECT_THROW(loss_after(session, batch, 1, 0.1), Error);
  }
  EXPECT_EQ(loss_after(session, batch, 3, 0.1), loss_after(other, batch, 3, 0.1));
  EXPECT_TRUE(same_bits(session.weights(), other.weights()));
}
#endif

TEST(Session, training_can_be_stopped_after_any_step) {
  const Dataset data = tiny_dataset(100, 1);
  Session session = tiny();
  std::int64_t seen = 0;
  TrainCallbacks callbacks;
  callbacks.step = [&](const StepReport& report) { seen = report.step; };
  callbacks.stop = [&] { return seen == 3; };
  const TrainResult result = train(session, data, nullptr, {}, callbacks);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.steps, 3);
}

TEST(Weights, fit_converts_between_precisions_and_refuses_everything_else) {
  const std::vector<Parameter> parameters = {
      {.name = "w", .type = {ScalarType::f32, {2}}, .initializer = {}, .low = -1}};
  const auto tensor = [](ScalarType type, Dims dims, double value) {
    Tensor result({type, std::move(dims)});
    for (std::int64_t i = 0; i < result.size(); ++i) result.set(i, value);
    return result;
  };
  const auto message = [&](const Tensors& weights) {
    try {
      fit_weights(weights, parameters, "file");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(fit_weights({{"w", tensor(ScalarType::f64, {2}, 0.5)}}, parameters, "file")
                .at("w")
                .data<float>()[1],
            0.5f);
  EXPECT_THAT(message({}), HasSubstr("file: w f32[2] is missing"));
  EXPECT_THAT(message({{"w", tensor(ScalarType::f32, {3}, 0)}}),
              HasSubstr("f32[3], but the model needs f32[2]"));
  EXPECT_THAT(message({{"w", tensor(ScalarType::f32, {1, 2}, 0)}}), HasSubstr("f32[1,2]"));
  EXPECT_THAT(message({{"w", tensor(ScalarType::i32, {2}, 0)}}), HasSubstr("i32[2]"));
  EXPECT_THAT(message({{"w", tensor(ScalarType::f64, {2}, 1e300)}}), HasSubstr("1e+300"))
      << "too large for f32";
  EXPECT_THAT(message({{"w", tensor(ScalarType::f32, {2}, std::nan(""))}}), HasSubstr("nan"));
  EXPECT_EQ(message({{"w", tensor(ScalarType::f32, {2}, -1)}}), "no error");
  EXPECT_THAT(message({{"w", tensor(ScalarType::f32, {2}, -1.5)}}),
              HasSubstr("w holds -1.5 at element 0, but nothing below -1 has a meaning there"));
  const Tensors counted = {{"a.num_batches_tracked", tensor(ScalarType::i64, {}, 7)},
                           {"w", tensor(ScalarType::f32, {2}, 0)}};
  EXPECT_EQ(fit_weights(counted, parameters, "file").size(), 1u);
  EXPECT_THAT(ignored_tensors(counted, parameters),
              ElementsAreArray({std::string("a.num_batches_tracked")}));
  EXPECT_THAT(
      message({{"v", tensor(ScalarType::f32, {2}, 0)}, {"w", tensor(ScalarType::f32, {2}, 0)}}),
      HasSubstr("v f32[2] is not"));
}

}  // namespace
}  // namespace cnnc::testing
