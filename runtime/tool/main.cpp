// The tool: parses its arguments and calls the library.
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <variant>

#include "ir/base/diagnostic.h"
#include "runtime/io/log.h"
#include "runtime/tool/commands.h"
#include "runtime/tool/options.h"
#include "runtime/train/not_finite.h"

namespace {

using cnnc::kBadInput;
using cnnc::kBadUsage;
using cnnc::kDefect;
using cnnc::kDone;
using cnnc::kNotFinite;
using cnnc::Log;

int complain(int code, std::string_view message) {
  std::fflush(stdout);
  Log(stderr).print("{}\n", message);
  return code;
}

std::string defect(const std::exception& error) {
  return fmt::format(
      "cnnc: {}\nThis is a defect of cnnc, not of what you gave it; please report it.",
      error.what());
}

int guarded_main(int argc, char** argv) {
  const auto parsed = cnnc::parse_options(argc, argv);
  if (const auto* text = std::get_if<std::string>(&parsed)) {
    fmt::print("{}", *text);
    return kDone;
  }
  return cnnc::run(std::get<cnnc::Options>(parsed));
}

int checked_main(int argc, char** argv) {
  try {
    return guarded_main(argc, argv);
  } catch (const cnnc::UsageError& error) {
    return complain(kBadUsage, fmt::format("cnnc: {} (cnnc --help explains)", error.what()));
  } catch (const cnnc::NotFinite& error) {
    return complain(kNotFinite, fmt::format("cnnc: {}", error.what()));
  } catch (const cnnc::Error& error) {
    return complain(kBadInput, error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return complain(kBadInput,
                    fmt::format("{}: {}", error.path1().string(), error.code().message()));
  } catch (const std::system_error& error) {
    if (std::ferror(stdout) == 0) return complain(kDefect, defect(error));
    return kBadInput;  // main says so
  } catch (const std::bad_alloc&) {
    return complain(kBadInput, "cnnc: not enough memory for this model and batch");
  } catch (const std::exception& error) {
    return complain(kDefect, defect(error));
  }
}

/// A file that is opened would otherwise get the number of a standard stream that is closed, and
/// what is meant for people. These cannot be written, as a closed one cannot.
void open_standard_streams() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDONLY);
    if (fd > STDERR_FILENO) ::close(fd);
    if (fd < 0 || fd > STDERR_FILENO) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  // glibc loads the unwinder when a thread first ends, and ends the process where there is no memory
  // for it: so it is loaded while there is.
  void* frame = nullptr;
  ::backtrace(&frame, 1);
  open_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // writing fails, and says so
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
  const int code = checked_main(argc, argv);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    complain(kBadInput, "cnnc: standard output could not be written");
  const bool told = std::ferror(stdout) == 0 && std::ferror(stderr) == 0;
  return code == kDone && !told ? kBadInput : code;
}
