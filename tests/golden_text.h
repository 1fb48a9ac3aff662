// The files of tests/golden/passes (see tests/golden/README.md), taken apart.
#pragma once

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/process.h"

namespace cnnc::testing {

inline const std::filesystem::path kGoldenFolder = CNNC_SOURCE_DIR "/tests/golden/passes";

struct Section {
  std::string title, body;
};

/// Comments, then sections: `=== FILE` with an input, `=== cnnc ...` with what that prints.
struct Golden {
  std::string comments;
  std::vector<Section> sections;

  std::string text() const {
    std::string all = comments;
    for (const Section& section : sections) all += "=== " + section.title + "\n" + section.body;
    return all;
  }
};

inline Golden parse_golden(const std::string& text) {
  Golden golden;
  std::istringstream lines(text);
  std::string* part = &golden.comments;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("=== ")) {
      golden.sections.push_back({line.substr(4), ""});
      part = &golden.sections.back().body;
    } else {
      *part += line + "\n";
    }
  }
  return golden;
}

inline Golden read_golden(const std::filesystem::path& path) {
  return parse_golden(read_text(path));
}

inline std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kGoldenFolder))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace cnnc::testing
