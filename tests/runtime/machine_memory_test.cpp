// What machine code may do to memory: indices are checked where that is asked for, guards see what
// is not, and no page is ever writable and executable.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "codegen/host.h"
#include "frontend/model.h"
#include "runtime/compile.h"
#include "tests/guarded_executable.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBuffers = R"(
  count : i64[] input
  at : i64[8] input
  x : f32[3,8] input
  y : f32[5,7] output
  a : f32[4,4] arena offset 0
  s : f32[6] thread offset 0
)";

GuardedExecutable executable(const std::string& body, const EmitOptions& options) {
  const std::string text = fmt::format(
      "program p {{{}  kernel first {{\n  }}\n  kernel k {{\n{}\n  }}\n}}\n", kBuffers, body);
  Program program = parse_program({"p.loops", text});
  return {spread_out(std::move(program)), host_target(), options};
}

/// What is said of a run in which at[i] = i.
std::string complaint_of(const std::string& body, const EmitOptions& options) {
  GuardedExecutable compiled = executable(body, options);
  auto at = compiled.tensor("at").data<std::int64_t>();
  for (std::size_t i = 0; i < at.size(); ++i) at[i] = static_cast<std::int64_t>(i);
  ThreadPool pool(2);
  try {
    compiled.run(3, pool);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

std::string checked(const std::string& body) { return complaint_of(body, {.check_bounds = true}); }

TEST(CheckedBounds, name_the_kernel_the_buffer_and_the_index) {
  const std::pair<const char*, const char*> cases[] = {
      {"y[0, count[] + 4] = 1.0",
       "kernel 'k': index 7 of dimension 1 of y : f32[5,7] is out of bounds"},
      {"y[0, 0] = x[0 - count[], 0]", "index -3 of dimension 0 of x : f32[3,8]"},
      {"for i in 0 .. 8 {\ny[0, i] = 1.0\n}", "index 7 of dimension 1 of y"},
      {"for i in 0 .. 5 {\na[i, 0] += 1.0\n}", "index 4 of dimension 0 of a : f32[4,4]"},
      {"parallel for n in 0 .. count[] {\ns[n * 3] = 1.0\n}", "index 6 of dimension 0 of s"},
      {"alloc r : f32[4] stack\nr[count[] * 2] = 1.0\ny[0, 0] = r[0]",
       "index 6 of dimension 0 of r"},
      {"vector for v in 0 .. 8 {\ny[1, v] = 1.0\n}", "index 7 of dimension 1 of y"},
      {"vector for v in 0 .. 4 {\ny[v * 2, 0] = 1.0\n}", "index 6 of dimension 0 of y"},
      {"vector for v in 0 .. 4 {\ny[0, v] = x[0, at[v * 2] + 3]\n}", "index 9 of dimension 1 of x"},
      {"vector for v in 0 .. 8 {\nif v < count[] + 5 {\ny[0, v] = 1.0\n}\n}",
       "index 7 of dimension 1 of y"},
      {"vector for v in 0 .. 4 {\nif 1 < v {\ny[0, v] = x[v, 0]\n}\n}",
       "index 3 of dimension 0 of x"},
      {"y[0, at[7] + at[count[]] - 3] = 1.0", "index 7 of dimension 1 of y"},
      {"y[0, 0] = select(count[] < 5, 0.0, x[count[], 0])", "index 3 of dimension 0 of x"},
  };
  for (const auto& [body, complaint] : cases)
    EXPECT_THAT(checked(body), HasSubstr(complaint)) << body;
}

TEST(CheckedBounds, let_pass_what_is_in_bounds_also_by_a_mask) {
  const char* const bodies[] = {
      "for i in 0 .. 7 {\ny[4, i] = 1.0\n}",
      "for i in 3 .. count[] {\ny[i * 9, 0] = 1.0\n}",
      "if count[] < 3 {\ny[count[] * 9, 0] = 1.0\n}",
      "vector for v in 0 .. 8 {\nif v < count[] + 4 {\ny[0, v] = x[0, v]\n}\n}",
      R"(vector for v in 0 .. 6 {
         if v < count[] {
         y[v, 0] = x[v, at[v]]
         } else {
         a[v - 3, 0] = x[v - 3, 0]
         }
         })",
  };
  for (const char* body : bodies) EXPECT_EQ(checked(body), "") << body;
}

TEST(CheckedBounds, are_reported_by_an_executable_as_its_compilers_mistake) {
  Program program = parse_program({"p.loops", R"(program p {
  count : i64[] input
  y : f32[4] output
  kernel late {
    parallel for n in 0 .. count[] {
      y[n] = 1.0
    }
  }
}
)"});
  Jit jit(program, host_target(), 1, {.check_bounds = true});
  Executable compiled = make_executable(std::move(program), std::move(jit), {});
  ThreadPool pool(2);
  compiled.run(4, pool);
  try {
    compiled.run(5, pool);
    FAIL() << "nothing was noticed";
  } catch (const InternalError& e) {
    EXPECT_THAT(e.what(),
                HasSubstr("kernel 'late': index 4 of dimension 0 of y : f32[4] is out of bounds"));
  }
  compiled.run(4, pool);
  EXPECT_EQ(compiled.tensor("y").data<float>()[3], 1.0F);
}

TEST(Guards, notice_what_is_written_beside_a_buffer) {
  EXPECT_EQ(complaint_of("y[4, 6] = 1.0", {}), "");
  EXPECT_THAT(complaint_of("y[count[] + 1, 7] = 1.0", {}), HasSubstr("after kernel 'k'"));
  EXPECT_THAT(complaint_of("y[count[] + 1, 7] = 1.0", {}), HasSubstr("behind the end of 'y'"));
  EXPECT_THAT(complaint_of("a[0, count[] - 7] = 1.0", {}), HasSubstr("before 'a'"));
}

TEST(GuardsDeathTest, end_a_program_that_reaches_too_far) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(complaint_of("a[count[] + 1, 0] = 1.0", {}), "");
  EXPECT_DEATH(complaint_of("s[0] = x[4, 0]\ny[0, 0] = s[0]", {}), "");
  EXPECT_DEATH(complaint_of("s[0] = a[0 - 128 * count[], 0]\ny[0, 0] = s[0]", {}), "");
}

/// Lines of /proc/self/maps whose pages may be both written and executed.
std::vector<std::string> writable_code() {
  std::vector<std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto permissions = line.substr(line.find(' ') + 1, 4);
    if (permissions[1] == 'w' && permissions[2] == 'x') found.push_back(line);
  }
  return found;
}

TEST(MachineCodeMemory, is_never_writable_and_executable) {
  const Language language = Language::standard();
  const Model model = parse_model({"m.model", R"(model m {
    input(8x8x2) -> conv(6, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten -> dense(10) -> softmax })"},
                                  language);
  const Graph graph = build_graph(model, language, Mode::infer, 4, ScalarType::f32).graph;
  const CompileOptions options{.target = host_target()};
  std::atomic<bool> done = false;
  std::atomic<int> looks = 0;
  std::vector<std::string> seen;
  std::thread watcher([&] {
    while (!done && seen.empty()) {
      seen = writable_code();
      ++looks;
    }
  });
  for (int i = 0; i < 3; ++i) {
    Executable compiled = compile(graph, options);
    ThreadPool pool(2);
    compiled.run(4, pool);
    EXPECT_THAT(writable_code(), ::testing::IsEmpty());
  }
  done = true;
  watcher.join();
  EXPECT_THAT(seen, ::testing::IsEmpty());
  EXPECT_GT(looks, 3);
}

}  // namespace
}  // namespace cnnc::testing
