// Input and outputs go through temporary files, so that no pipe can fill up.
#include "runtime/pictures/subprocess.h"

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "ir/base/diagnostic.h"

extern char** environ;  // NOLINT: POSIX's

namespace cnnc {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

File temporary_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) fail("no temporary file can be made: {}", std::strerror(errno));
  return file;
}

void start_over(const File& file) {
  CNNC_CHECK(std::fseek(file.get(), 0, SEEK_SET) == 0, "a flushed file cannot go back: {}",
             std::strerror(errno));
}

std::string contents(const File& file) {
  start_over(file);
  std::string text;
  char block[4096];
  for (std::size_t n = 0; (n = std::fread(block, 1, sizeof block, file.get())) > 0;)
    text.append(block, n);
  return text;
}

}  // namespace

std::optional<FilterResult> run_filter(const std::vector<std::string>& command,
                                       std::string_view input) {
  const File in = temporary_file(), out = temporary_file(), error = temporary_file();
  if (std::fwrite(input.data(), 1, input.size(), in.get()) != input.size() ||
      std::fflush(in.get()) != 0)
    fail("a temporary file could not be written: {}", std::strerror(errno));
  start_over(in);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), 0);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), 1);
  posix_spawn_file_actions_adddup2(&actions, fileno(error.get()), 2);
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failure =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) return std::nullopt;
  if (failure != 0) fail("{} could not be started: {}", command[0], std::strerror(failure));

  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return FilterResult{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                      contents(out), contents(error)};
}

}  // namespace cnnc
