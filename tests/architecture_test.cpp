// ARCHITECTURE.md says which folder may include which; here the sources are held to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/process.h"

namespace cnnc {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = CNNC_SOURCE_DIR;

struct Arrows {
  std::vector<std::string> folders;                      // in the order of the list
  std::map<std::string, std::vector<std::string>> seen;  // by folder; `ir/*` is all of those
};

/// The indented lines `FOLDER : FOLDER ...`.
Arrows arrows() {
  static const std::regex kLine(R"(    ([a-z_/]+) +: (.+))");
  Arrows result;
  std::istringstream text(testing::read_text(kRoot / "ARCHITECTURE.md"));
  for (std::string line; std::getline(text, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, kLine)) continue;
    result.folders.push_back(match[1]);
    std::istringstream words(match[2]);
    for (std::string word; words >> word;)
      if (word != "-") result.seen[match[1]].push_back(word);
  }
  return result;
}

/// The longest of the list's folders that `file`, relative to the root, lies in; empty: none.
std::string folder_of(const Arrows& arrows, const fs::path& file) {
  for (fs::path folder = file.parent_path(); !folder.empty(); folder = folder.parent_path())
    if (std::ranges::find(arrows.folders, folder.string()) != arrows.folders.end())
      return folder.string();
  return "";
}

bool matches(const std::string& folder, const std::string& pattern) {
  if (!pattern.ends_with("/*")) return folder == pattern;
  return folder.starts_with(pattern.substr(0, pattern.size() - 1));
}

std::vector<std::string> includes_of(const fs::path& file) {
  static const std::regex kInclude(R"(#include "([^"]+\.h)\")");
  const std::string text = testing::read_text(file);
  std::vector<std::string> result;
  for (std::sregex_iterator at(text.begin(), text.end(), kInclude), end; at != end; ++at)
    result.push_back((*at)[1]);
  return result;
}

TEST(Architecture, includes_go_where_the_map_says) {
  const Arrows map = arrows();
  ASSERT_GT(map.folders.size(), 20U);
  std::set<std::string> used;
  for (const char* top : {"ir", "frontend", "passes", "codegen", "runtime"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const fs::path file = fs::relative(entry.path(), kRoot);
      if (file.extension() != ".h" && file.extension() != ".cpp") continue;
      const std::string from = folder_of(map, file);
      EXPECT_NE(from, "") << file << " is in no folder of the map";
      used.insert(from);
      for (const std::string& included : includes_of(entry.path())) {
        const std::string to = folder_of(map, included);
        const auto found = map.seen.find(from);
        const std::vector<std::string> allowed =
            found == map.seen.end() ? std::vector<std::string>() : found->second;
        EXPECT_TRUE(
            to == from ||
            std::ranges::any_of(allowed, [&](const auto& pattern) { return matches(to, pattern); }))
            << file << " includes " << included << ", but " << from << " may not see " << to;
      }
    }
  for (const std::string& folder : map.folders)
    EXPECT_TRUE(used.contains(folder)) << folder << " of the map holds no sources";
}

TEST(Architecture, no_folder_sees_one_that_comes_after_it) {
  const Arrows map = arrows();
  for (std::size_t i = 0; i < map.folders.size(); ++i) {
    if (!map.seen.contains(map.folders[i])) continue;
    for (const std::string& pattern : map.seen.at(map.folders[i]))
      for (std::size_t later = i + 1; later < map.folders.size(); ++later)
        EXPECT_FALSE(!pattern.ends_with("/*") && matches(map.folders[later], pattern))
            << map.folders[i] << " sees " << map.folders[later];
  }
}

}  // namespace
}  // namespace cnnc
