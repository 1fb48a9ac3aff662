// A program while it is made: its buffers and kernels, names of their own.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/loop/loop.h"
#include "passes/context/reduction_order.h"

namespace cnnc {

class ProgramBuilder {
 public:
  ProgramBuilder(std::string name, std::int64_t batch) : batch_(batch) {
    program.name = std::move(name);
    program.batch = batch;
    program.group = kGroupSize;
  }

  /// With `batch` in the place of kBatch, and another name where this one is taken.
  BufferId add_buffer(const std::string& name, TensorType type, Memory memory,
                      std::optional<BufferId> view_of = {});
  /// Gives a buffer that name, or another one where it is taken.
  void rename(BufferId buffer, const std::string& name);
  /// The buffer that is called so now.
  std::optional<BufferId> find(const std::string& name) const;
  // The name by value: making the body adds buffers, and a buffer's own name may move then.
  void add_kernel(std::string name, const std::string& layer, Block body);
  /// `name`, or with the first free number from 2 on.
  std::string unique(std::string name);

  std::int64_t batch() const { return batch_; }
  /// The rows of the call, read from the input `count`.
  Expr count() const;

  Program program;

 private:
  std::int64_t batch_;
  std::set<std::string> names_;
  std::map<std::string, int> numbers_;  // the last ones put behind a name
  std::map<std::string, BufferId> named_;
};

}  // namespace cnnc
