#include "runtime/train/metrics.h"

#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "runtime/io/output_file.h"

namespace cnnc {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which they are documented

std::FILE* open(const std::filesystem::path& path) {
  const int fd =
      is_standard_output(path) ? ::dup(STDOUT_FILENO) : open_to_write(path, O_CREAT | O_TRUNC);
  return fd < 0 ? nullptr : ::fdopen(fd, "w");
}

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

MetricsFile::MetricsFile(std::filesystem::path path)
    : path_(std::move(path)), file_(open(path_), std::fclose) {
  if (!file_) fail("{}: cannot be written: {}", shown_name(path_), reason(errno));
}

void MetricsFile::write(const StepReport& report) {
  write_line(Json{{"epoch", report.epoch}, {"step", report.step}, {"loss", report.loss}}.dump() +
             "\n");
}

void MetricsFile::write(const EpochReport& report) {
  Json line{{"epoch", report.epoch}, {"loss", report.loss}, {"accuracy", report.accuracy}};
  if (report.test) line["test_accuracy"] = report.test->accuracy();
  line["images_per_second"] = report.images_per_second;
  line["seconds"] = report.seconds;
  write_line(line.dump() + "\n");
}

void MetricsFile::write_line(std::string_view line) {
  if (error_ != 0) return;
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() ||
      std::fflush(file_.get()) != 0)
    error_ = errno;
}

void MetricsFile::close() {
  if (file_ && std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
  if (error_ != 0) fail("{}: writing failed: {}", shown_name(path_), reason(error_));
}

}  // namespace cnnc
