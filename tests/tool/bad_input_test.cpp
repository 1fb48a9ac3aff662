// What cnnc says to bad input, word for word: the table in tests/golden/errors/, a file a kind of
// input. A row:
//
//   === name
//   +++ PATH [KIND]          a file, in a folder that holds tiny.model, its weights and its data
//   its contents
//   & SURROUNDINGS           NAME=VALUE of the environment; `disk N`: no file may have more bytes;
//                            `memory N`: megabytes of addresses; `stdout FILE`
//   $ cnnc ARGUMENTS         every file is written before it
//   the message and `exit CODE`
//
// In contents \xNN is a byte and \(TEXT)*N; repeats TEXT. KIND says how lines become bytes: text
// (also where none is given) as they stand; `bytes` without line ends; `gzip` like these,
// compressed; `safetensors` the first line as header, behind its length, and the others as data;
// `png` a chunk a line, TYPE and data, with length and checksum (IDAT's compressed); `folder` is a
// folder; `program` is text that may be run; `cut N` (last) leaves only the first N bytes; PATH -
// removes the file.
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
#include "runtime/io/safetensors.h"
#include "runtime/train/session.h"
#include "tests/error_table.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

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
  if (kind == "program") std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

ProcessOptions options_of(const Row& row) {
  ProcessOptions options;
  for (const std::string& line : row.surroundings) {
    const auto equals = line.find('='), blank = line.find(' ');
    const std::string name = line.substr(0, std::min(equals, blank));
    const std::string value = line.substr(name.size() + 1);
    if (equals < blank)
      options.environment[name] = value;
    else if (name == "disk")
      options.file_size = std::stoul(value);
    else if (name == "memory")
      options.memory = std::stoul(value) << 20;
    else if (name == "stdout")
      options.output = value;
    else
      ADD_FAILURE() << row.name << ": unknown surroundings: " << line;
  }
  return options;
}

/// The folder's contents before a row's own files.
void prepare(const std::filesystem::path& folder) {
  write_tiny(folder);
  const Language language = Language::standard();
  Session session(parse_model({.name = "tiny", .text = kTinyModel}, language), language);
  write_safetensors(folder / "tiny.safetensors", session.weights());
}

/// A sanitizer's own memory has no room beside a limit.
bool runs_here(const Row& row) {
#if defined(__SANITIZE_ADDRESS__)
  return options_of(row).memory == RLIM_INFINITY;
#else
  return !row.command.empty();
#endif
}

std::string printed(const Row& row) {
  const TempFolder folder;
  prepare(folder.path());
  for (const File& file : row.files) write(folder.path(), file);
  std::istringstream words(row.command);
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word == "''" ? "" : word);
  const Outcome outcome = run_tool(folder.path(), arguments, options_of(row));
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
    for (const std::string& line : row.surroundings) text += "& " + line + "\n";
    text += "$ cnnc" + row.command + "\n" + row.message;
  }
  return text;
}

class BadInput : public ::testing::TestWithParam<std::string> {};

TEST_P(BadInput, gets_the_message_of_the_golden_file) {
  const auto path = kErrorFolder / (GetParam() + ".txt");
  Table table = read_table(path);
  const bool rebase = std::getenv("CNNC_REBASE") != nullptr;
  for (Row& row : table.rows) {
    if (!runs_here(row)) continue;
    const std::string message = printed(row);
    if (!rebase) {
      EXPECT_EQ(message, row.message) << row.name;
    }
    row.message = message;
  }
  if (rebase) std::ofstream(path) << written(table);
}

INSTANTIATE_TEST_SUITE_P(Table, BadInput, ::testing::ValuesIn(kinds()),
                         [](const auto& row) { return row.param; });

// Position. Of a text FILE:LINE:COLUMN. Of data, weights and pictures the file with the byte, the
// record (an image, counted from 0) or the tensor. After a pass the text's lines say nothing: then
// the file with the kernel, buffer or name in it. Of what is wrong as a whole, the file alone:
// these are the ways in which that can be.
const std::regex kPlace(
    ":[0-9]+:[0-9]+: |byte [0-9]+|bytes [0-9]+ to [0-9]+|record [0-9]+|test image [0-9]+"
    "|tensors? `|`__metadata__`|[a-z]+[0-9]+\\.(weight|bias|running_var)|zoo|: input count|: "
    "'[a-z]'"
    "|kernel (k|is called)|graph 'g'|optimizer |gradient of 'w'|floor has no|: a has no place"
    "|--data |pass '|stage ");
const std::regex kWhole(
    "(cannot read|cannot be written|cannot write( beside it| [0-9]+ bytes)?|writing failed): "
    "|is a folder|is not a regular file|no such file|not found: no|in this folder"
    "|bytes, (more than the limit|too short)|has no train section|holds (a graph|loops), not"
    "|no images: sizes|labels, but|its images are|images of \\[|but the model's input is"
    "|takes (a graph|loops)|a memory map needs|rows in a batch"
    "|no model: this (file|is)|graphviz|dot could not be started|a temporary file|memory: |the "
    "interpreter's limit");

TEST(BadInputs, every_message_has_its_position) {
  for (const Row& row : all_rows()) {
    const std::string first = row.message.substr(0, row.message.find('\n'));
    if (first.starts_with("cnnc: ")) continue;  // of the command line: the flag is in it
    EXPECT_TRUE(row.message.ends_with("exit 1\n")) << row.name << ": " << row.message;
    std::istringstream words(row.command);
    bool named = first.find("FOLDER") != first.npos;
    for (std::string word; words >> word;) named |= first.find(word) != first.npos;
    for (const File& file : row.files) named |= first.find(file.path) != first.npos;
    named |= first.find("tiny.safetensors") != first.npos;
    EXPECT_TRUE(named) << row.name << ": " << first;
    EXPECT_TRUE(std::regex_search(first, kPlace) || std::regex_search(first, kWhole))
        << row.name << " lacks its place: " << first;
    // Every mistake of a text has one, not just the first: there is no line `FILE: error: `.
    const std::regex text("\\.(model|graph|loops): error: (?!no model: this)");
    EXPECT_TRUE(!std::regex_search(row.message, text) ||
                row.command.find("--run") != row.command.npos)
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

}  // namespace
}  // namespace cnnc::testing
