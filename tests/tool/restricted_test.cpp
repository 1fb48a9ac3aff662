// The tool where the system forbids or lacks something: memory that becomes executable, threads,
// addresses. Each time it works, or says in one message what is the matter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kNotPossible = 125;  // exit code of a process that cannot be restricted so

/// Refuses a system call whose argument has one of these bits (0: whatever its arguments are), with
/// an error.
struct Refusal {
  long call;
  unsigned argument, bits;
  int error;
};

template <std::size_t N>
void refuse(const Refusal (&refusals)[N]) {
  std::vector<sock_filter> filter;
  for (const Refusal& each : refusals) {
    const auto at = static_cast<unsigned>(offsetof(seccomp_data, args) + 8 * each.argument);
    const auto answer = SECCOMP_RET_ERRNO | static_cast<unsigned>(each.error);
    const bool always = each.bits == 0;
    filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(each.call), 0,
                              static_cast<unsigned char>(always ? 1 : 3)));
    if (!always) {
      filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
      filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, each.bits, 0, 1));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, answer));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(kNotPossible);
}

void refuse_by_mdwe() {
  constexpr int kSetMemoryDenyWriteExecute = 65, kRefuseExecGain = 1;
  if (prctl(kSetMemoryDenyWriteExecute, kRefuseExecGain, 0, 0, 0) != 0) _exit(kNotPossible);
}

void refuse_by_filter() { refuse({{SYS_mprotect, 2, PROT_EXEC, EPERM}}); }

/// Without clone3, whose flags no filter sees, the C library takes clone.
void refuse_threads() {
  refuse({{SYS_clone3, 0, 0, ENOSYS}, {SYS_clone, 0, CLONE_THREAD, EAGAIN}});
}

class Restricted : public ::testing::Test {
 protected:
  Restricted() {
    write_tiny(folder.path());
    EXPECT_EQ(run({"tiny.model", "--train", "--steps", "1", "-o", "w.safetensors"}).code, 0);
  }
  Outcome run(std::vector<std::string> arguments, const ProcessOptions& options = {}) {
    return run_tool(folder.path(), std::move(arguments), options);
  }
  TempFolder folder;
};

void expect_one_line(const Outcome& outcome, const std::string& message) {
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr(message));
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome;
}

TEST_F(Restricted, memory_that_may_not_become_executable_is_named_and_texts_work) {
  const std::pair<std::function<void()>, const char*> kinds[] = {
      {refuse_by_mdwe, "PR_SET_MDWE"}, {refuse_by_filter, "a seccomp filter"}};
  for (const auto& [restriction, name] : kinds) {
    const ProcessOptions options{.before = restriction};
    if (run({"--version"}, options).code == kNotPossible) continue;  // an older kernel
    const std::vector<std::vector<std::string>> commands = {
        {"tiny.model", "--train", "-o", "other.safetensors"},
        {"tiny.model", "--eval", "--weights", "w.safetensors"},
        {"tiny.model", "--predict", "0", "--weights", "w.safetensors"},
        {"tiny.model", "--bench", "--rounds", "1"}};
    for (const auto& command : commands) {
      const Outcome outcome = run(command, options);
      expect_one_line(outcome, "memory may not become executable here (mprotect: ");
      EXPECT_THAT(outcome.err, HasSubstr(name));
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "other.safetensors"));
    for (const char* stage : {"graph", "loops", "llvm", "assembly"})
      EXPECT_EQ(run({"tiny.model", "--emit", stage}, options).code, 0) << stage;
    EXPECT_EQ(run({"tiny.model", "--explain"}, options).code, 0);
  }
}

TEST_F(Restricted, without_a_thread_more_one_compiles_and_trains) {
  const ProcessOptions options{.before = refuse_threads};
  if (run({"--version"}, options).code == kNotPossible) GTEST_SKIP() << "no seccomp";
  const Outcome alone =
      run({"tiny.model", "--train", "--steps", "1", "-o", "alone.safetensors"}, options);
  EXPECT_EQ(alone.code, 0) << alone;
  EXPECT_EQ(read_text(folder / "alone.safetensors"), read_text(folder / "w.safetensors"));
  EXPECT_EQ(run({"tiny.model", "--time-passes"}, options).code, 0);
  expect_one_line(
      run({"tiny.model", "--eval", "--weights", "w.safetensors", "--threads", "2"}, options),
      "cannot start 2 threads");
}

/// From where its libraries just fit to where it has enough.
TEST_F(Restricted, little_address_space_is_said_once) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer's own memory has no room beside a limit";
#endif
  const auto with = [](rlim_t megabytes) { return ProcessOptions{.memory = megabytes << 20}; };
  rlim_t least = 100;
  while (run({"--version"}, with(least)).code != 0 && least < 2000) least += 4;
  for (rlim_t more = 0; more <= 20; ++more) {
    const Outcome outcome =
        run({"tiny.model", "--eval", "--weights", "w.safetensors"}, with(least + more));
    if (outcome.code != 0) expect_one_line(outcome, "memory");
    const Outcome text = run({"tiny.model", "--emit", "assembly"}, with(least + more));
    if (text.code == 0) continue;
    expect_one_line(text, "memory");
    EXPECT_THAT(text.out, IsEmpty());
  }
  EXPECT_EQ(run({"tiny.model", "--eval", "--weights", "w.safetensors"}, with(least + 400)).code, 0);
}

}  // namespace
}  // namespace cnnc::testing
