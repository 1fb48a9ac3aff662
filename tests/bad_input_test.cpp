// What cnnc says to bad input, word for word: the table in tests/golden/errors/, a file a kind of
// input. A row:
//
//   === name
//   +++ PATH [KIND]          a file, in a folder that holds tiny.model, its weights and its data
//   its contents
//   $ cnnc ARGUMENTS         every file is written before it
//   the message and `exit CODE`
//
// In contents \xNN is a byte and \(TEXT)*N; repeats TEXT. KIND says how lines become bytes: text
// (also where none is given) as they stand; `bytes` without line ends; `gzip` like these,
// compressed; `safetensors` the first line as header, behind its length, and the others as data;
// `png` a chunk a line, TYPE and data, with length and checksum (IDAT's compressed); `folder` is a
// folder; `cut N` (last) leaves only the first N bytes; PATH - removes the file.
//
// CNNC_REBASE=1 takes what is printed now as the new base.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "frontend/model.h"
#include "runtime/safetensors.h"
#include "runtime/session.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

const std::filesystem::path kFolder = CNNC_SOURCE_DIR "/tests/golden/errors";

struct File {
  std::string path, kind, contents;
};

struct Row {
  std::string name;
  std::vector<File> files;
  std::string command, message;
};

struct Table {
  std::string header;
  std::vector<Row> rows;
};

Table read_table(const std::filesystem::path& path) {
  Table table;
  std::ifstream file(path);
  std::string* part = &table.header;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      table.rows.push_back({.name = line.substr(4), .files = {}, .command = {}, .message = {}});
      part = nullptr;
    } else if (line.starts_with("+++ ")) {
      const auto blank = line.find(' ', 4);
      table.rows.back().files.push_back(
          {line.substr(4, blank - 4), blank == line.npos ? "" : line.substr(blank + 1), {}});
      part = &table.rows.back().files.back().contents;
    } else if (line.starts_with("$ cnnc")) {
      table.rows.back().command = line.substr(6);
      part = &table.rows.back().message;
    } else if (part != nullptr) {
      *part += line + "\n";
    }
  }
  return table;
}

std::string unescape(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\\x") == 0) {
      result += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else if (text.compare(i, 2, "\\(") == 0) {
      const auto close = text.find(")*", i);
      const auto end = text.find(';', close);
      const std::string once = unescape(text.substr(i + 2, close - i - 2));
      for (int n = std::stoi(text.substr(close + 2, end - close - 2)); n > 0; --n) result += once;
      i = end;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string compressed(const std::string& bytes, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string png_of(const std::string& contents) {
  std::string png = "\x89PNG\r\n\x1a\n";
  std::istringstream lines(contents);
  for (std::string line; std::getline(lines, line);) {
    std::string data = unescape(line.size() > 5 ? line.substr(5) : "");
    const std::string type = line.substr(0, 4);
    if (type == "IDAT") data = compressed(data, 15);
    const std::string chunk = type + data;
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size()));
    png += big_endian(static_cast<std::int64_t>(data.size())) + chunk +
           big_endian(static_cast<std::int64_t>(crc));
  }
  return png;
}

std::string joined(std::string text) {
  std::erase(text, '\n');
  return unescape(text);
}

std::string safetensors_of(const std::string& contents) {
  const auto end = contents.find('\n');
  const std::string header = unescape(contents.substr(0, end));
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header +
         joined(contents.substr(end));
}

void write(const std::filesystem::path& folder, const File& file) {
  const auto path = folder / file.path;
  std::istringstream words(file.kind);
  std::string kind, cut;
  words >> kind;
  if (kind == "-") {
    std::filesystem::remove_all(path);
    return;
  }
  if (kind == "folder") {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
    return;
  }
  std::string bytes = kind == "bytes"         ? joined(file.contents)
                      : kind == "gzip"        ? compressed(joined(file.contents), 15 + 16)
                      : kind == "safetensors" ? safetensors_of(file.contents)
                      : kind == "png"         ? png_of(file.contents)
                                              : unescape(file.contents);
  std::size_t length = bytes.size();
  if (kind == "cut" || words >> cut) words >> length;
  write_text(path, bytes.substr(0, length));
}

/// The folder's contents before a row's own files.
void prepare(const std::filesystem::path& folder) {
  write_tiny(folder);
  const Language language = Language::standard();
  Session session(parse_model({.name = "tiny", .text = kTinyModel}, language), language);
  write_safetensors(folder / "tiny.safetensors", session.weights());
}

std::string printed(const Row& row) {
  const TempFolder folder;
  prepare(folder.path());
  for (const File& file : row.files) write(folder.path(), file);
  std::istringstream words(row.command);
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word == "''" ? "" : word);
  const Outcome outcome = run_tool(folder.path(), arguments);
  std::string text = outcome.err;
  const std::string path = folder.path().string();  // made up anew every time
  for (std::size_t at = 0; (at = text.find(path, at)) != text.npos;)
    text.replace(at, path.size(), "FOLDER");
  return text + fmt::format("exit {}\n", outcome.code);
}

std::string written(const Table& table) {
  std::string text = table.header;
  for (const Row& row : table.rows) {
    text += "=== " + row.name + "\n";
    for (const File& file : row.files)
      text +=
          "+++ " + file.path + (file.kind.empty() ? "" : " " + file.kind) + "\n" + file.contents;
    text += "$ cnnc" + row.command + "\n" + row.message;
  }
  return text;
}

class BadInput : public ::testing::TestWithParam<std::string> {};

TEST_P(BadInput, gets_the_message_of_the_golden_file) {
  const auto path = kFolder / (GetParam() + ".txt");
  Table table = read_table(path);
  const bool rebase = std::getenv("CNNC_REBASE") != nullptr;
  for (Row& row : table.rows) {
    const std::string message = printed(row);
    if (!rebase) {
      EXPECT_EQ(message, row.message) << row.name;
    }
    row.message = message;
  }
  if (rebase) std::ofstream(path) << written(table);
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Table, BadInput, ::testing::ValuesIn(kinds()),
                         [](const auto& row) { return row.param; });

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto& kind : kinds())
    for (Row& row : read_table(kFolder / (kind + ".txt")).rows) rows.push_back(std::move(row));
  return rows;
}

// Position: of a text FILE:LINE:COLUMN where a place in it is wrong, and FILE where the whole is
// (missing, too long, no train section); of data, weights and pictures the file, with the byte or
// the tensor where there is one; of the command line the flag, or MODEL where none is given.
TEST(BadInputs, every_message_has_its_position) {
  for (const Row& row : all_rows()) {
    const std::string first = row.message.substr(0, row.message.find('\n'));
    if (row.message.ends_with("exit 2\n")) {
      EXPECT_TRUE(first.starts_with("cnnc: ")) << row.name << ": " << first;
      continue;
    }
    EXPECT_TRUE(row.message.ends_with("exit 1\n")) << row.name << ": " << row.message;
    std::istringstream words(row.command);
    bool named = first.find("FOLDER") != first.npos;
    for (std::string word; words >> word;) named |= first.find(word) != first.npos;
    for (const File& file : row.files) named |= first.find(file.path) != first.npos;
    named |= first.find("tiny.safetensors") != first.npos;
    EXPECT_TRUE(named) << row.name << ": " << first;
    // After a pass the text's lines say nothing: the kernel is named.
    if (row.command.find("--run") != row.command.npos) continue;
    const std::regex text("\\.(model|graph|loops): error: ");
    EXPECT_FALSE(std::regex_search(first, text) && first.find("bytes; the limit is") == first.npos)
        << row.name << " lacks line and column: " << first;
  }
}

TEST(BadInputs, no_message_speaks_of_an_internal_error) {
  for (const Row& row : all_rows()) {
    EXPECT_EQ(row.message.find("internal"), row.message.npos) << row.name;
    EXPECT_EQ(row.message.find("defect"), row.message.npos) << row.name;
  }
}

TEST(BadInputs, are_many_and_their_messages_differ) {
  std::set<std::string> messages, names;
  for (const Row& row : all_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << "two rows are called " << row.name;
    // What was given is not part of the message.
    static const std::regex given("`[^`]*`|'[^']*'|[0-9]+|^[^ ]*:");
    messages.insert(std::regex_replace(row.message.substr(0, row.message.find('\n')), given, "_"));
  }
  std::printf("%zu rows, %zu distinct messages\n", names.size(), messages.size());
  EXPECT_GE(names.size(), 300U);
  EXPECT_GE(messages.size(), 100U);
}

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
