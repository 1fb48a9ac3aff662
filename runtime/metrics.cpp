#include "runtime/metrics.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace cnnc {

using Json = nlohmann::ordered_json;  // keys in the order in which they are documented

MetricsFile::MetricsFile(std::filesystem::path path)
    : path_(std::move(path)), file_(path_, std::ios::trunc) {
  if (!file_)
    fail("{}: cannot be written: {}", path_.string(), std::generic_category().message(errno));
}

void MetricsFile::write(const StepReport& report) {
  file_ << Json{{"epoch", report.epoch}, {"step", report.step}, {"loss", report.loss}} << '\n';
}

void MetricsFile::write(const EpochReport& report) {
  Json line{{"epoch", report.epoch}, {"loss", report.loss}, {"accuracy", report.accuracy}};
  if (report.test) line["test_accuracy"] = report.test->accuracy();
  line["images_per_second"] = report.images_per_second;
  line["seconds"] = report.seconds;
  file_ << line << '\n';
  file_.flush();
  check();
}

void MetricsFile::close() {
  if (!file_.is_open()) return;
  file_.flush();
  check();
  file_.close();
}

void MetricsFile::check() {
  if (!file_)
    fail("{}: writing failed: {}", path_.string(), std::generic_category().message(errno));
}

}  // namespace cnnc
