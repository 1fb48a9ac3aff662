#include "codegen/host.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <string>

#include "ir/base/diagnostic.h"

namespace cnnc {

namespace {

std::int64_t cache_bytes(int name, std::int64_t fallback) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : fallback;
}

/// What each level of the x86-64 ABI adds, as far as compiled code may use it.
struct Level {
  std::string_view name;
  std::array<std::string_view, 8> features;
};
constexpr Level kLevels[] = {
    {"x86-64", {"sse2"}},
    {"x86-64-v2", {"cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"}},
    {"x86-64-v3", {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}},
    {"x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
};

/// Asked once: in a virtual machine each of the many questions is a trap.
const llvm::StringMap<bool>& host_features() {
  static const auto kFeatures = llvm::sys::getHostCPUFeatures();
  return kFeatures;
}

/// Since Linux 6.3; the C library's header may be older.
constexpr int kGetMemoryDenyWriteExecute = 66;

bool has_line(const char* path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line == wanted) return true;
  return false;
}

/// What keeps memory from becoming executable, as far as the kernel tells.
std::string restriction() {
  if (prctl(kGetMemoryDenyWriteExecute, 0, 0, 0, 0) > 0)
    return "PR_SET_MDWE (systemd: MemoryDenyWriteExecute)";
  if (has_line("/proc/self/status", "Seccomp:\t2")) return "a seccomp filter";
  if (has_line("/sys/fs/selinux/enforce", "1")) return "SELinux (execmem)";
  return "a security policy";
}

}  // namespace

Target host_target() {
  const auto& features = host_features();
  llvm::SubtargetFeatures list;
  for (const auto& feature : features) list.AddFeature(feature.first(), feature.second);
  const auto has = [&](llvm::StringRef name) { return features.lookup(name); };

  Target target;
  target.name = "native";
  target.cpu = llvm::sys::getHostCPUName().str();
  target.features = list.getString();
  target.vector_bytes = has("avx512f") ? 64 : has("avx") ? 32 : 16;
  target.registers = has("avx512f") ? 32 : 16;
  target.fma = has("fma");
  target.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  target.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  return target;
}

bool host_has(std::string_view feature) {
  return host_features().lookup({feature.data(), feature.size()});
}

std::vector<std::string> required_features(const Target& target) {
  std::vector<std::string> all;
  if (target.name == "native") return all;
  for (const Level& level : kLevels) {
    for (const auto feature : level.features)
      if (!feature.empty()) all.emplace_back(feature);
    if (level.name == target.name) break;
  }
  return all;
}

void check_runs_here(const Target& target, const std::function<bool(std::string_view)>& has) {
  auto missing = required_features(target);
  std::erase_if(missing, [&](const std::string& feature) { return has(feature); });
  if (!missing.empty())
    fail("this machine ({}) cannot run code for {}: it lacks {}", llvm::sys::getHostCPUName().str(),
         target.name, fmt::join(missing, ", "));
}

void check_may_execute() {
  const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const page =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  const int error = mprotect(page, bytes, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
  munmap(page, bytes);
  if (error == ENOMEM) throw std::bad_alloc();
  if (error != 0)
    fail(
        "memory may not become executable here (mprotect: {}): {} forbids it. Compiled code cannot "
        "run; --emit shows it all the same",
        std::strerror(error), restriction());
}

}  // namespace cnnc
