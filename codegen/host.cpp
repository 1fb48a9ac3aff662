#include "codegen/host.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <unistd.h>

#include <array>

#include "ir/diagnostic.h"

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

}  // namespace cnnc
