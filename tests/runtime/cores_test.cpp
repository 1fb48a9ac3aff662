// Cores by the quota of cgroups, in made-up folders of /proc and /sys.
#include "runtime/exec/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <map>

#include "tests/process.h"

namespace cnnc::testing {
namespace {

using Files = std::map<std::string, std::string>;

constexpr const char* kMount2 =
    "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kMount1 =
    "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

int cores_with(const Files& files) {
  const TempFolder folder;
  for (const auto& [path, text] : files) write_text(folder / path, text);
  return usable_cores(folder.path());
}

class UsableCores : public ::testing::Test {
 protected:
  /// Quotas are told apart by what they leave of the machine; on one core nothing is.
  void SetUp() override {
    if (cores_with({}) < 2) GTEST_SKIP() << "one core";
  }
};

TEST_F(UsableCores, are_those_of_the_affinity_mask_without_a_quota) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_EQ(cores_with({}), CPU_COUNT(&set));
  EXPECT_EQ(cores_with({{"proc/self/mountinfo", kMount2},
                        {"proc/self/cgroup", "0::/a\n"},
                        {"sys/fs/cgroup/a/cpu.max", "max 100000\n"}}),
            CPU_COUNT(&set));
  EXPECT_EQ(cores_with({{"proc/self/mountinfo", kMount1},
                        {"proc/self/cgroup", "3:cpu,cpuacct:/a\n"},
                        {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n"},
                        {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"}}),
            CPU_COUNT(&set));
}

TEST_F(UsableCores, are_the_quota_rounded_up) {
  const auto version_2 = [](const char* max) {
    return cores_with({{"proc/self/mountinfo", kMount2},
                       {"proc/self/cgroup", "0::/a\n"},
                       {"sys/fs/cgroup/a/cpu.max", max}});
  };
  EXPECT_EQ(version_2("1000 100000\n"), 1);
  EXPECT_EQ(version_2("100000 100000\n"), 1);
  EXPECT_EQ(version_2("100001 100000\n"), 2);
  EXPECT_EQ(version_2("75000 50000\n"), 2);
}

TEST_F(UsableCores, follow_version_1_too) {
  EXPECT_EQ(cores_with({{"proc/self/mountinfo", kMount1},
                        {"proc/self/cgroup", "5:memory:/b\n3:cpu,cpuacct:/a\n"},
                        {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n"},
                        {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"}}),
            1);
}

TEST_F(UsableCores, are_limited_by_every_level_above) {
  EXPECT_EQ(cores_with({{"proc/self/mountinfo", kMount2},
                        {"proc/self/cgroup", "0::/a/b/c\n"},
                        {"sys/fs/cgroup/a/cpu.max", "100000 100000\n"},
                        {"sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
                        {"sys/fs/cgroup/a/b/c/cpu.max", "200000 100000\n"}}),
            1);
}

TEST_F(UsableCores, follow_a_container_that_sees_its_own_part_of_the_hierarchy) {
  constexpr const char* kMount = "32 24 0:28 /docker/7 /sys/fs/cgroup rw - cgroup cgroup rw,cpu\n";
  const auto at = [&](const char* group) {
    return cores_with({{"proc/self/mountinfo", kMount},
                       {"proc/self/cgroup", group},
                       {"sys/fs/cgroup/cpu.cfs_quota_us", "100000\n"},
                       {"sys/fs/cgroup/cpu.cfs_period_us", "100000\n"}});
  };
  EXPECT_EQ(at("3:cpu:/docker/7\n"), 1);
  EXPECT_EQ(at("3:cpu:/docker/7/inner\n"), 1);
  EXPECT_EQ(at("3:cpu:/elsewhere\n"), 1);
}

TEST_F(UsableCores, ignore_files_that_say_nothing) {
  const int all = cores_with({});
  EXPECT_EQ(cores_with({{"proc/self/mountinfo", "nonsense\n - cgroup2\n"},
                        {"proc/self/cgroup", "0\n::\n"}}),
            all);
  for (const char* text : {"", "0 0", "x y", "-1 100000", "100000", "1e400 1"})
    EXPECT_EQ(cores_with({{"proc/self/mountinfo", kMount2},
                          {"proc/self/cgroup", "0::/\n"},
                          {"sys/fs/cgroup/cpu.max", text}}),
              all)
        << text;
}

}  // namespace
}  // namespace cnnc::testing
