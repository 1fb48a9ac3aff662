// The command line, an argument a line: options whose values are in range, a text, or a usage error
// of one line.
#include <vector>

#include "runtime/tool/options.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

void check(const Options& options) {
  const auto in_range = [](const auto& value, double low, double high) {
    fuzz::require(
        !value || (static_cast<double>(*value) >= low && static_cast<double>(*value) <= high),
        "numbers are in range");
  };
  in_range(options.epochs, 1, 1e9);
  in_range(options.steps, 1, 1e9);
  in_range(options.batch, 1, 65536);
  in_range(options.rounds, 1, 1000);
  in_range(options.learning_rate, 0, 1e30);
  fuzz::require(options.threads >= 0 && options.threads <= 1024, "threads are in range");
  fuzz::require(options.seed >= 0, "seeds are not negative");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> words{"cnnc"};
  std::string word;
  for (const char c : fuzz::text_of(data, std::min<std::size_t>(size, 4096))) {
    if (c == '\0') continue;  // cannot stand in an argument
    if (c != '\n') {
      word += c;
      continue;
    }
    words.push_back(std::exchange(word, {}));
  }
  std::vector<const char*> arguments;
  for (const auto& each : words) arguments.push_back(each.c_str());
  try {
    const auto parsed = parse_options(static_cast<int>(arguments.size()), arguments.data());
    if (const auto* options = std::get_if<Options>(&parsed)) check(*options);
  } catch (const UsageError& error) {
    const std::string_view what = error.what();
    fuzz::require(!what.empty() && what.find('\n') == what.npos, "a usage error is one line", what);
  }
  return 0;
}
