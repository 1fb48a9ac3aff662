// The table of bad inputs and what cnnc says to them: tests/golden/errors/, a file a kind of input.
// tests/tool/bad_input_test.cpp says what a row looks like.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace cnnc::testing {

inline const std::filesystem::path kErrorFolder = CNNC_SOURCE_DIR "/tests/golden/errors";

/// What the library says to programs: tests/runtime/library_error_test.cpp makes these mistakes.
inline constexpr std::string_view kLibraryTable = "library.txt", kLibraryMark = "$ library";

/// A file of a row: the contents are escaped.
struct File {
  std::string path, kind, contents;
};

struct Row {
  std::string name;
  std::vector<File> files;
  std::vector<std::string> surroundings;  // PATH=., disk 300, stdout /dev/full, memory 1000
  std::string command, message;
};

/// A file of the table.
struct Table {
  std::string header;
  std::vector<Row> rows;
};

inline Table read_table(const std::filesystem::path& path) {
  Table table;
  std::ifstream file(path);
  std::string* part = &table.header;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      table.rows.emplace_back().name = line.substr(4);
      part = nullptr;
    } else if (line.starts_with("+++ ")) {
      const auto blank = line.find(' ', 4);
      table.rows.back().files.push_back(
          {line.substr(4, blank - 4), blank == line.npos ? "" : line.substr(blank + 1), {}});
      part = &table.rows.back().files.back().contents;
    } else if (line.starts_with("& ")) {
      table.rows.back().surroundings.push_back(line.substr(2));
    } else if (line.starts_with("$ cnnc") || line == kLibraryMark) {
      table.rows.back().command = line == kLibraryMark ? "" : line.substr(6);
      part = &table.rows.back().message;
    } else if (part != nullptr) {
      *part += line + "\n";
    }
  }
  return table;
}

/// The names of the table's files of what the tool says.
inline std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kErrorFolder))
    if (entry.path().filename() != kLibraryTable) names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

/// The rows of all of them.
inline std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto& kind : kinds())
    for (Row& row : read_table(kErrorFolder / (kind + ".txt")).rows) rows.push_back(std::move(row));
  return rows;
}

}  // namespace cnnc::testing
