// The record of a training run as JSON lines, one object a step and one an epoch.
#pragma once

#include <filesystem>
#include <fstream>

#include "runtime/training.h"

namespace cnnc {

/// {"epoch":1,"step":1,"loss":2.3} a step and
/// {"epoch":1,"loss":...,"accuracy":...,"test_accuracy":...,"images_per_second":...,"seconds":...}
/// an epoch; numbers read back as the same doubles. Each line is on disk when the next epoch
/// starts. Throws Error where the file cannot be written.
class MetricsFile {
 public:
  explicit MetricsFile(std::filesystem::path path);

  void write(const StepReport& report);
  void write(const EpochReport& report);
  /// Flushes and throws Error where anything was not written.
  void close();

 private:
  void check();

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace cnnc
