// Every message of the sources stands in the table of bad inputs, or here with the reason why not.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "tests/error_table.h"
#include "tests/process.h"

namespace cnnc::testing {
namespace {

// Messages that no row can show, by file and a part of the text, and why.
struct Excuse {
  std::string_view file, part, reason;
};
constexpr std::string_view kSystem = "the system would have to fail in the middle of what it does";
constexpr Excuse kExcuses[] = {
    {"codegen/host.cpp", "may not become executable", "restricted_test shows it"},
    {"codegen/perf_map.cpp", "", kSystem},
    {"ir/loop/loop_verify.cpp", "in groups of", "the parser takes both sizes or none"},
    {"ir/loop/loop_verify.cpp", "has other bounds", "the parser makes them"},
    {"ir/loop/loop_verify.cpp", "is no arithmetic", "before it the tool runs what is missing"},
    {"ir/loop/loop_verify.cpp", "has no place in memory",
     "before it the tool runs what is missing"},
    {"runtime/exec/executable.cpp", "another thread runs it", "whether two threads meet is chance"},
    {"runtime/io/idx.cpp", "out of memory", kSystem},
    {"runtime/tool/main.cpp", "not enough memory", kSystem},
    {"runtime/tool/inputs.cpp", "no text of", "cli_test shows it: such a file is no text"},
    {"runtime/tool/save_weights.cpp", "is where the weights go", "saving_test shows it"},
    {"runtime/tool/save_weights.cpp", "for a terminal", "a test has none"},
    {"runtime/tool/save_weights.cpp", "nor anywhere else", kSystem},
    {"runtime/io/png.cpp", "out of memory", kSystem},
    {"runtime/pictures/subprocess.cpp", "no temporary file", kSystem},
    {"runtime/exec/threads.cpp", "cannot start", "how many threads there were is in it"},
};

const Excuse* excuse_for(std::string_view file, std::string_view message) {
  const auto* found = std::ranges::find_if(kExcuses, [&](const Excuse& excuse) {
    return file == excuse.file && message.find(excuse.part) != message.npos;
  });
  return found == std::end(kExcuses) ? nullptr : found;
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
  std::vector<Row> rows = all_rows();
  for (Row& row : read_table(kErrorFolder / kLibraryTable).rows) rows.push_back(std::move(row));
  std::size_t messages = 0;
  std::set<const Excuse*> needed;
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
          if (occurs(fragments(literal), rows)) continue;
          const Excuse* excuse = excuse_for(file, literal);
          EXPECT_TRUE(excuse) << file << ": no row shows: " << literal;
          needed.insert(excuse);
        }
      }
    }
  }
  EXPECT_GT(messages, 300U) << "the scan has lost its way";
  for (const Excuse& excuse : kExcuses)
    EXPECT_TRUE(needed.contains(&excuse))
        << excuse.file << ": nothing is left to excuse: " << excuse.part;
}

}  // namespace
}  // namespace cnnc::testing
