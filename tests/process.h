// Runs the built tool as a user would: arguments in, exit code and both outputs back.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace cnnc::testing {

/// Names the instances of a parameterised test by their rows' names.
inline constexpr auto kRowName = [](const auto& row) { return row.param.name; };

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

/// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cnnc_test_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int code = -1;  // -N: killed by signal N
  std::string out, err;

  std::string last_line() const {
    std::string text = out;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const auto end = text.rfind('\n');
    return end == std::string::npos ? text : text.substr(end + 1);
  }
};

inline std::ostream& operator<<(std::ostream& stream, const Outcome& outcome) {
  return stream << "exit code " << outcome.code << "\n--- stdout\n"
                << outcome.out << "--- stderr\n"
                << outcome.err;
}

struct ProcessOptions {
  rlim_t file_size = RLIM_INFINITY;  // bytes that it may write to a file: a full disk
  rlim_t memory = RLIM_INFINITY;     // bytes of addresses that it may have
  std::string output = {};           // a file in place of the one that is read back
  std::map<std::string, std::string> environment = {};
  std::function<bool()> interrupt_when = {};  // `signal` as soon as this holds
  int signal = SIGINT;
  std::vector<int> ignored = {};      // signals, as nohup leaves them
  std::vector<int> closed = {};       // of the standard streams
  std::function<void()> before = {};  // done by the process before it becomes the tool
};

/// `cnnc arguments...` in `folder`, which is its data folder and its home, too.
inline Outcome run_tool(const std::filesystem::path& folder, std::vector<std::string> arguments,
                        const ProcessOptions& options = {}) {
  const auto out = folder / ".stdout", err = folder / ".stderr";
  arguments.insert(arguments.begin(), CNNC_TOOL);
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::filesystem::remove(out);  // what an earlier run said
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(folder.c_str()) != 0) _exit(126);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    const std::string to = options.output.empty() ? out.string() : options.output;
    dup2(open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
    setenv("CNNC_DATA", folder.c_str(), 1);
    setenv("HOME", folder.c_str(), 1);  // not what the person who tests keeps there
    for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
    if (options.memory != RLIM_INFINITY) {
      const rlimit limit{options.memory, options.memory};
      setrlimit(RLIMIT_AS, &limit);
    }
    if (options.file_size != RLIM_INFINITY) {
      const rlimit limit{options.file_size, options.file_size};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    for (const int number : options.ignored) signal(number, SIG_IGN);
    if (options.before) options.before();
    for (const int fd : options.closed) close(fd);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  if (options.interrupt_when) {
    bool sent = false;
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (!sent && options.interrupt_when()) sent = kill(child, options.signal) == 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  } else {
    waitpid(child, &status, 0);
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_text(out),
          read_text(err)};
}

}  // namespace cnnc::testing
