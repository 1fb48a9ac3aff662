#include "codegen/host.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <unistd.h>

namespace cnnc {

namespace {

std::int64_t cache_bytes(int name, std::int64_t fallback) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : fallback;
}

}  // namespace

Target host_target() {
  const auto features = llvm::sys::getHostCPUFeatures();
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

}  // namespace cnnc
