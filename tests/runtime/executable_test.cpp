// Running compiled programs: what is kept from call to call.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <sstream>
#include <thread>

#include "frontend/model.h"
#include "runtime/compile.h"
#include "runtime/exec/threads.h"
#include "runtime/inspect/inspect.h"

namespace cnnc {
namespace {

constexpr const char* kModel = R"(model m {
  input(6x6x2) -> conv(5, 3x3, pad=1, bias=false) -> batch_norm -> relu -> conv(4, 1x1) -> batch_norm
    -> flatten -> dense(3) -> softmax
})";

/// Weights that differ from one another, the same in every executable.
void set_weights(Executable& executable, const ModelGraph& model, float factor) {
  for (const Parameter& parameter : model.parameters) {
    auto values = executable.tensor(parameter.name).data<float>();
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = factor * (0.05f + 0.01f * static_cast<float>(i % 17));
  }
}

class Inference : public testing::Test {
 protected:
  Inference() {
    options.target = host_target();
    for (std::size_t i = 0; i < kImage; ++i) image[i] = static_cast<std::byte>(37 * i % 256);
  }

  std::vector<float> run(Executable& executable) {
    std::ranges::copy(image, executable.tensor("image").bytes.begin());
    executable.run(1, pool);
    const auto output = executable.tensor("output").data<float>();
    return {output.begin(), output.end()};
  }

  static constexpr std::size_t kImage = 6 * 6 * 2;
  std::array<std::byte, kImage> image{};
  Language language = Language::standard();
  Model model = parse_model({"m.model", kModel}, language);
  ModelGraph graph = build_graph(model, language, Mode::infer, 1, ScalarType::f32);
  CompileOptions options;
  ThreadPool pool{2};
};

TEST_F(Inference, weights_set_after_a_run_count_in_the_next) {
  Executable one = compile(graph.graph, options), fresh = compile(graph.graph, options);
  set_weights(one, graph, 1);
  const auto before = run(one);
  EXPECT_EQ(before, run(one)) << "the same weights again";
  set_weights(one, graph, 3);
  set_weights(fresh, graph, 3);
  const auto after = run(one);
  EXPECT_NE(before, after);
  EXPECT_EQ(after, run(fresh));
}

TEST_F(Inference, folding_of_batch_norm_changes_no_result_beyond_rounding) {
  CompileOptions unfolded = options;
  unfolded.skip = {"fold_batch_norm", "run_once"};
  Executable one = compile(graph.graph, options), other = compile(graph.graph, unfolded);
  set_weights(one, graph, 1);
  set_weights(other, graph, 1);
  const auto a = run(one), b = run(other);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6);
}

TEST_F(Inference, a_call_while_another_thread_runs_the_program_is_an_error_and_changes_nothing) {
  Executable one = compile(graph.graph, options);
  set_weights(one, graph, 1);
  const auto expected = run(one);
  std::atomic<int> refused = 0, wrong = 0, done = 0;
  const auto call = [&] {
    ThreadPool own(1);
    for (int i = 0; i < 3000; ++i) {
      try {
        one.run(1, own);
        ++done;
      } catch (const Error& error) {
        ++refused;
        if (std::string_view(error.what()).find("another thread") == std::string_view::npos)
          ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(call);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(done + refused, 9000);
  const auto output = one.tensor("output").data<float>();
  EXPECT_TRUE(std::ranges::equal(output, expected));
  EXPECT_EQ(run(one), expected) << "the program is free again";
}

TEST_F(Inference, nothing_but_an_addition_is_left_of_batch_norm) {
  const std::string folded = emit(graph.graph, "fold_batch_norm", "", options);
  std::istringstream lines(folded);
  for (std::string line; std::getline(lines, line);) {
    const bool per_sample = line.find(": f32[B,") != std::string::npos;
    if (per_sample) {
      EXPECT_TRUE(line.find(" sub(") == std::string::npos &&
                  line.find(" mul(") == std::string::npos)
          << line;
    }
  }
}

}  // namespace
}  // namespace cnnc
