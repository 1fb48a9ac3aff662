#include "tests/random/isolate.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "ir/base/diagnostic.h"

// Of Clang's counters, in the preset `coverage`; null in the others.
extern "C" [[gnu::weak]] int __llvm_profile_write_file();

namespace cnnc::testing {

std::string isolated(const std::function<std::string()>& run, unsigned seconds) {
  int ends[2];
  CNNC_CHECK(pipe(ends) == 0, "no pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  CNNC_CHECK(child >= 0, "no process");
  if (child == 0) {
    close(ends[0]);
    alarm(seconds);
    const std::string result = run();
    std::size_t done = 0;
    while (done < result.size()) {
      const ssize_t n = write(ends[1], result.data() + done, result.size() - done);
      if (n <= 0) _exit(1);
      done += static_cast<std::size_t>(n);
    }
    if (__llvm_profile_write_file != nullptr) __llvm_profile_write_file();  // _exit does not
    _exit(0);
  }
  close(ends[1]);
  std::string result;
  char bytes[4096];
  for (ssize_t n = 0; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
    result.append(bytes, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return fmt::format("crashed: {}", strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return "crashed: an exception or an early exit";
  return result;
}

}  // namespace cnnc::testing
