// Every message of the sources stands in the table of bad inputs, or here with the reason why not.
#include <gtest/gtest.h>

#include <regex>

#include "tests/error_table.h"
#include "tests/process.h"

namespace cnnc::testing {
namespace {

// Messages that no row can show, by file and a part of the text, and why.
struct Excuse {
  std::string_view file, part, reason;
};
constexpr std::string_view kLibrary =
    "only a caller of the library can do this: the tool checks before";
constexpr std::string_view kReader =
    "the parser refuses it first; passes and programs make IR, too";
constexpr std::string_view kMachine =
    "depends on the machine: its memory, disk, processor or programs";
constexpr Excuse kExcuses[] = {
    {"codegen/host.cpp", "this machine", kMachine},
    {"codegen/perf_map.cpp", "", kMachine},
    {"frontend/build_graph.cpp", "", kLibrary},
    {"frontend/parse_model.cpp", "the text has", kLibrary},
    {"ir/builder.cpp", "the batch must", kLibrary},
    {"ir/graph_interpret.cpp", "input '", kLibrary},
    {"ir/graph_verify.cpp", "", kReader},
    {"ir/layers/batch_norm.cpp", "needs channels", kLibrary},
    {"ir/layers/join.cpp", "needs at least one", kLibrary},
    {"ir/loop_interpret.cpp", "no shape of a buffer", kReader},
    {"ir/loop_interpret.cpp", "bytes of memory", "its storage is asked for before it"},
    {"ir/loop_interpret.cpp", "more steps", "only fuzzers set a limit"},
    {"ir/loop_verify.cpp", "", kReader},
    {"passes/apply_optimizer.cpp", "has no '", "an argument that is missing is reported first"},
    {"passes/differentiate.cpp", "(layer '",
     "every op of the standard table that a layer uses has one"},
    {"runtime/compile.cpp", "", kLibrary},
    {"runtime/dot.cpp", "", kMachine},
    {"runtime/executable.cpp", "out of memory", kMachine},
    {"runtime/file.cpp", "cannot write", kMachine},
    {"runtime/file.cpp", "the old file is", kMachine},
    {"runtime/idx.cpp", "no memory", kMachine},
    {"runtime/inspect.cpp", "unknown stage", kLibrary},
    {"runtime/inspect.cpp", "there are model", kLibrary},
    {"runtime/main.cpp", "not enough memory", kMachine},
    {"runtime/main.cpp", "standard output", kMachine},
    {"runtime/metrics.cpp", "writing failed", kMachine},
    {"runtime/png.cpp", "no memory", kMachine},
    {"runtime/prediction.cpp", "one image has", kLibrary},
    {"runtime/safetensors.cpp", "not valid JSON ({})",
     "of a parser that only reports parse errors"},
    {"runtime/safetensors.cpp", "more than {} values", "takes a header of tens of megabytes"},
    {"runtime/session.cpp", "", kLibrary},
    {"runtime/size_limit.cpp", "the results of all", kLibrary},
    {"runtime/subprocess.cpp", "", kMachine},
    {"runtime/threads.cpp", "cannot start", kMachine},
    {"runtime/train_command.cpp", "no permission", "root may write everywhere"},
};

bool is_excused(std::string_view file, std::string_view message) {
  return std::ranges::any_of(kExcuses, [&](const Excuse& excuse) {
    return file == excuse.file && message.find(excuse.part) != message.npos;
  });
}

/// The end of the string literal that begins at `at`.
std::size_t end_of_literal(const std::string& code, std::size_t at) {
  for (++at; at < code.size() && code[at] != '"'; ++at)
    if (code[at] == '\\') ++at;
  return at;
}

/// String literals among the arguments of the call whose parenthesis opens at `at`; neighbours are
/// one.
std::vector<std::string> literals_of_call(const std::string& code, std::size_t at) {
  std::vector<std::string> found;
  int depth = 0;
  bool joined = false;
  for (; at < code.size(); ++at) {
    const char c = code[at];
    if (c == '\'') {
      at += code[at + 1] == '\\' ? 3 : 2;
    } else if (c == '"') {
      const auto end = end_of_literal(code, at);
      if (!joined) found.emplace_back();
      found.back() += code.substr(at + 1, end - at - 1);
      joined = true;
      at = end;
      continue;
    } else if (c == '(' || c == '{') {
      ++depth;
    } else if (c == ')' || c == '}') {
      if (--depth == 0) break;
    }
    joined = joined && (c == ' ' || c == '\n');
  }
  return found;
}

/// The fixed parts of a format string, in order.
std::vector<std::string> fragments(const std::string& format) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    const char next = i + 1 < format.size() ? format[i + 1] : '\0';
    if ((c == '{' || c == '}') && next == c) {
      parts.back() += c;
      ++i;
    } else if (c == '\\') {
      parts.back() += next == 'n' ? '\n' : next;
      ++i;
    } else if (c == '{') {
      i = format.find('}', i);
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool occurs(const std::vector<std::string>& parts, const std::vector<Row>& rows) {
  return std::ranges::any_of(rows, [&](const Row& row) {
    std::size_t at = 0;
    for (const auto& part : parts) {
      at = row.message.find(part, at);
      if (at == row.message.npos) return false;
      at += part.size();
    }
    return true;
  });
}

bool has_a_word(const std::string& text) {
  static const std::regex word("[a-z][a-z]");
  return std::regex_search(text, word);
}

/// Calls of what reports a user's mistake, as the sources do it.
const std::regex kReporters(
    "[^\\w:](fail|Error|UsageError|report|error|fail_at|fail_expected|expected|expect|"
    "expect_integer|complain|mistakes_?\\.add|refuse|unknown|broken|overflow|name|value_token|"
    "typed|require)\\(");

TEST(BadInputs, show_every_message_of_the_source) {
  const auto rows = all_rows();
  std::size_t messages = 0;
  for (const char* folder : {"frontend", "ir", "passes", "codegen", "runtime"}) {
    const std::filesystem::path root = CNNC_SOURCE_DIR;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
      const std::string file = entry.path().lexically_relative(root).string();
      const std::string code =
          std::regex_replace(read_text(entry.path()), std::regex("//[^\n]*"), "");
      for (std::sregex_iterator call(code.begin(), code.end(), kReporters), none; call != none;
           ++call) {
        const auto open = static_cast<std::size_t>(call->position() + call->length() - 1);
        for (const auto& literal : literals_of_call(code, open)) {
          if (!has_a_word(literal)) continue;
          ++messages;
          EXPECT_TRUE(is_excused(file, literal) || occurs(fragments(literal), rows))
              << file << ": no row shows: " << literal;
        }
      }
    }
  }
  EXPECT_GT(messages, 300U) << "the scan has lost its way";
}

}  // namespace
}  // namespace cnnc::testing
