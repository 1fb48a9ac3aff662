// A program compiled like any other, on memory that notices what is touched beside its buffers:
// each region ends at a page that nobody may touch, as does the one before it, and every byte
// between is filled with a pattern and looked at after each run.
#pragma once

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "codegen/bounds_report.h"
#include "codegen/jit.h"
#include "ir/base/alignment.h"
#include "passes/finish/plan_memory.h"
#include "runtime/exec/executable.h"
#include "runtime/exec/executable_state.h"
#include "runtime/exec/threads.h"

namespace cnnc::testing {

inline std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

inline std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

inline std::size_t buffer_bytes(const Buffer& buffer) {
  return static_cast<std::size_t>(byte_count(buffer.type));
}

/// Memory between two forbidden pages, of which only some places may be used.
class GuardedRegion {
 public:
  struct Place {
    std::string name;
    std::size_t begin, bytes;  // from data()
  };

  explicit GuardedRegion(std::vector<Place> places) : places_(std::move(places)) {
    const std::size_t page = page_bytes();
    for (const Place& place : places_) size_ = std::max(size_, place.begin + place.bytes);
    size_ = round_up(size_, kBufferAlignment);
    mapped_ = round_up(size_, page) + 2 * page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    start_ = static_cast<std::byte*>(memory);
    std::memset(start_, kPattern, mapped_);
    std::vector<bool> used(mapped_);
    for (const Place& place : places_) {
      std::memset(data() + place.begin, kUnset, place.bytes);
      std::fill_n(used.begin() + (data() - start_) + static_cast<std::ptrdiff_t>(place.begin),
                  place.bytes, true);
    }
    for (std::size_t at = 0; at < mapped_; at += page) {
      const auto begin = used.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = begin + static_cast<std::ptrdiff_t>(page);
      if (std::find(begin, end, true) == end) {
        mprotect(start_ + at, page, PROT_NONE);
        continue;
      }
      for (std::size_t i = at; i < at + page; ++i)
        if (!used[i]) between_.push_back(start_ + i);
    }
  }
  GuardedRegion(const GuardedRegion&) = delete;
  GuardedRegion& operator=(const GuardedRegion&) = delete;
  ~GuardedRegion() { munmap(start_, mapped_); }

  /// The last byte of the region lies in front of a forbidden page.
  std::byte* data() const { return start_ + mapped_ - page_bytes() - size_; }

  /// Throws where a byte beside the places has changed.
  void check() const {
    for (const std::byte* byte : between_)
      if (*byte != std::byte{kPattern})
        throw std::runtime_error(
            fmt::format("a kernel wrote beside its buffers, {}", neighbour(byte - data())));
  }

 private:
  static constexpr unsigned char kPattern = 0xa5;
  static constexpr unsigned char kUnset = 0xff;  // a NaN, -1

  std::string neighbour(std::ptrdiff_t at) const {
    std::string text;
    for (const Place& place : places_) {
      const auto begin = static_cast<std::ptrdiff_t>(place.begin);
      const auto end = begin + static_cast<std::ptrdiff_t>(place.bytes);
      if (at < begin && begin - at <= 4096)
        text += fmt::format("{} bytes before '{}'; ", begin - at, place.name);
      if (at >= end && at - end < 4096)
        text += fmt::format("{} bytes behind the end of '{}'; ", at - end, place.name);
    }
    return text;
  }

  std::vector<Place> places_;
  std::size_t size_ = 0, mapped_ = 0;
  std::byte* start_ = nullptr;
  std::vector<const std::byte*> between_;  // bytes that no place has, on pages that may be used
};

/// A planned program in which no two buffers of the arena, nor of a thread's scratch, share memory:
/// each ends at a page of its own, with one between it and the next.
inline Program spread_out(Program program) {
  const std::size_t page = page_bytes();
  std::map<Memory, std::size_t> next;
  for (Buffer& buffer : program.buffers) {
    if (buffer.view_of || buffer.offset < 0) continue;
    std::size_t& at = next[buffer.memory];
    const std::size_t bytes = round_up(buffer_bytes(buffer), kBufferAlignment);
    at += round_up(bytes, page);
    buffer.offset = static_cast<std::int64_t>(at - bytes);
    at += page;
  }
  return program;
}

/// Like Executable; run() throws where a kernel wrote beside a buffer. To touch a forbidden page
/// ends the process.
class GuardedExecutable {
 public:
  GuardedExecutable(Program program, const Target& target, const EmitOptions& options = {})
      : program_(std::move(program)), jit_(program_, target, 2, options) {
    for (std::size_t id = 0; id < program_.buffers.size(); ++id) {
      const Buffer& buffer = program_.buffers[id];
      addresses_.push_back(nullptr);
      const bool outside = buffer.memory == Memory::input || buffer.memory == Memory::state ||
                           buffer.memory == Memory::output || buffer.memory == Memory::constant;
      if (!outside || buffer.view_of) continue;
      const std::size_t bytes = buffer_bytes(buffer);
      addresses_.back() = add_region({{buffer.name, 0, bytes}});
      if (buffer.memory == Memory::constant)
        std::memcpy(addresses_.back(), buffer.data.bytes().data(), bytes);
      else
        std::memset(addresses_.back(), 0, bytes);
    }
    arena_ = add_region(places_in(Memory::arena));
  }

  bool has(std::string_view name) const {
    const auto id = program_.find(name);
    return id && addresses_[static_cast<std::size_t>(*id)] &&
           program_.buffer(*id).memory != Memory::constant;
  }
  TensorRef tensor(std::string_view name) const {
    const BufferId id = program_.find(name).value();
    const Buffer& buffer = program_.buffer(id);
    return {buffer.type, {addresses_.at(static_cast<std::size_t>(id)), buffer_bytes(buffer)}};
  }

  void run(std::int64_t count, ThreadPool& pool) {
    tensor("count").data<std::int64_t>()[0] = count;
    prepare_scratch(static_cast<std::size_t>(pool.size()));
    KernelContext context;
    context.buffers = addresses_.data();
    context.arena = arena_;
    context.scratch = scratch_;
    context.scratch_stride = static_cast<std::int64_t>(scratch_stride_);
    attach(pool, context);
    bounds_.attach(context);
    for (std::size_t i = 0; i < program_.kernels.size(); ++i) {
      jit_.kernels()[i](&context);
      if (bounds_.first()) throw std::runtime_error(describe(*bounds_.first(), program_));
      check(program_.kernels[i].name);
    }
  }

 private:
  std::byte* add_region(std::vector<GuardedRegion::Place> places) {
    return regions_.emplace_back(std::make_unique<GuardedRegion>(std::move(places)))->data();
  }

  std::vector<GuardedRegion::Place> places_in(Memory memory, std::size_t shift = 0) const {
    std::vector<GuardedRegion::Place> places;
    for (const Buffer& buffer : program_.buffers)
      if (buffer.memory == memory && !buffer.view_of && buffer.offset >= 0)
        places.push_back(
            {buffer.name, shift + static_cast<std::size_t>(buffer.offset), buffer_bytes(buffer)});
    return places;
  }

  /// One worker's scratch ends at a page's end, as does the next one's, with a page between them.
  void prepare_scratch(std::size_t workers) {
    if (workers <= scratch_workers_) return;
    scratch_workers_ = workers;
    const auto bytes = static_cast<std::size_t>(memory_plan(program_).scratch_bytes);
    scratch_stride_ = round_up(bytes, page_bytes()) + page_bytes();
    std::vector<GuardedRegion::Place> places;
    for (std::size_t worker = 0; worker < workers; ++worker)
      for (auto& place : places_in(Memory::thread, worker * scratch_stride_))
        places.push_back(std::move(place));
    scratch_ = add_region(std::move(places));
  }

  void check(const std::string& kernel) const try {
    for (const auto& region : regions_) region->check();
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(fmt::format("after kernel '{}': {}", kernel, e.what()));
  }

  Program program_;
  Jit jit_;
  BoundsReport bounds_;
  std::vector<std::unique_ptr<GuardedRegion>> regions_;
  std::vector<std::byte*> addresses_;  // by BufferId
  std::byte* arena_ = nullptr;
  std::byte* scratch_ = nullptr;
  std::size_t scratch_stride_ = 0, scratch_workers_ = 0;
};

}  // namespace cnnc::testing
