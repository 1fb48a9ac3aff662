// The tool: parses its arguments and calls the library.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <variant>

#include "ir/diagnostic.h"
#include "runtime/commands.h"
#include "runtime/evaluation.h"
#include "runtime/options.h"
#include "runtime/training.h"

namespace {

using cnnc::kBadInput;
using cnnc::kBadUsage;
using cnnc::kDefect;
using cnnc::kDone;
using cnnc::kNotFinite;

int complain(int code, std::string_view message) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", message);
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
  } catch (const cnnc::LossNotFinite& error) {
    return complain(kNotFinite, fmt::format("cnnc: {}", error.what()));
  } catch (const cnnc::OutputNotFinite& error) {
    return complain(kNotFinite, error.what());
  } catch (const cnnc::Error& error) {
    return complain(kBadInput, error.what());
  } catch (const std::system_error& error) {
    if (std::ferror(stdout) == 0) return complain(kDefect, defect(error));
    return kBadInput;  // main says so
  } catch (const std::bad_alloc&) {
    return complain(kBadInput, "cnnc: not enough memory for this model and batch");
  } catch (const std::exception& error) {
    return complain(kDefect, defect(error));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
  const int code = checked_main(argc, argv);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return complain(kBadInput, "cnnc: standard output could not be written");
  }
  return code;
}
