// The record of a training run as JSON lines, one object a step and one an epoch.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

#include "runtime/train/training.h"

namespace cnnc {

/// {"epoch":1,"step":1,"loss":2.3} a step and
/// {"epoch":1,"loss":...,"accuracy":...,"test_accuracy":...,"images_per_second":...,"seconds":...}
/// an epoch; numbers read back as the same doubles. Each line is handed to the system at once. `-`
/// is standard output.
class MetricsFile {
 public:
  /// Throws Error where the file cannot be opened.
  explicit MetricsFile(std::filesystem::path path);

  void write(const StepReport& report);
  void write(const EpochReport& report);
  /// Throws Error where a line could not be written, which ends the record, not the run.
  void close();

 private:
  void write_line(std::string_view line);

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  int error_ = 0;  // errno of the first failure
};

}  // namespace cnnc
