// A container that may use 1.5 cores of 64 sees 64: its limit is a quota of time, which stands in
// the files of a cgroup. These lie where the hierarchy is mounted (proc(5) and cgroups(7)).
#include "runtime/exec/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cnnc {
namespace {

namespace fs = std::filesystem;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// Where a hierarchy of cgroups can be seen: `group` of it at `point`.
struct Mount {
  fs::path group, point;
};

int cores_of_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != list.npos;
}

/// A line of mountinfo: `36 35 98:0 GROUP POINT rw,noatime shared:1 - TYPE cgroup rw,cpu`.
std::optional<Mount> find_mount(const fs::path& root, const std::string& type,
                                const std::string& controller) {
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const auto dash = line.find(" - ");
    if (dash == line.npos) continue;
    std::istringstream before(line), after(line.substr(dash + 3));
    std::string skipped, group, point, found_type, source, options;
    before >> skipped >> skipped >> skipped >> group >> point;
    after >> found_type >> source >> options;
    if (found_type == type && (controller.empty() || has_word(options, controller)))
      return Mount{group, point};
  }
  return std::nullopt;
}

/// The group that this process is in, of a line `ID:CONTROLLERS:GROUP`; version 2 has no
/// controllers there.
std::optional<fs::path> find_group(const fs::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : has_word(controllers, controller))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

/// The folders of the group and of those around it, as far as they can be seen. In a container the
/// group may be named from the host's root while the mount shows its own part.
std::vector<fs::path> levels(const fs::path& root, const Mount& mount, const fs::path& group) {
  const fs::path top = root / mount.point.relative_path();
  const fs::path below = group.lexically_relative(mount.group);
  std::vector<fs::path> folders{top};
  if (below.empty() || *below.begin() == "..") return folders;
  for (const fs::path& part : below)
    if (part != "." && !part.empty()) folders.push_back(folders.back() / part);
  return folders;
}

template <class T>
std::optional<T> read_word(std::istream& stream) {
  T value{};
  return stream >> value ? std::optional(value) : std::nullopt;
}

template <class T>
std::optional<T> read_word(const fs::path& path) {
  std::ifstream file(path);
  return read_word<T>(file);
}

double ratio(std::optional<double> quota, std::optional<double> period) {
  return quota && period && *quota > 0 && *period > 0 ? *quota / *period : kNoLimit;
}

/// `cpu.max`: microseconds that all threads together may run (or `max`) in a period of so many.
double quota_of_version_2(const fs::path& folder) {
  std::ifstream file(folder / "cpu.max");
  const auto quota = read_word<std::string>(file);
  if (!quota || *quota == "max") return kNoLimit;
  return ratio(std::strtod(quota->c_str(), nullptr), read_word<double>(file));
}

/// The same in two files; -1 is no limit.
double quota_of_version_1(const fs::path& folder) {
  return ratio(read_word<double>(folder / "cpu.cfs_quota_us"),
               read_word<double>(folder / "cpu.cfs_period_us"));
}

double quota(const fs::path& root) {
  double least = kNoLimit;
  const auto look = [&](const std::string& type, const std::string& controller, auto quota_of) {
    const auto mount = find_mount(root, type, controller);
    const auto group = find_group(root, controller);
    if (!mount || !group) return;
    for (const fs::path& folder : levels(root, *mount, *group))
      least = std::min(least, quota_of(folder));
  };
  look("cgroup2", "", quota_of_version_2);
  look("cgroup", "cpu", quota_of_version_1);
  return least;
}

}  // namespace

int usable_cores(const fs::path& root) {
  const int cores = cores_of_affinity();
  return static_cast<int>(std::clamp(std::ceil(quota(root)), 1.0, static_cast<double>(cores)));
}

}  // namespace cnnc
