#include "runtime/exec/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

struct Visits {
  explicit Visits(std::int64_t count) : times(static_cast<std::size_t>(count)) {}
  std::vector<std::atomic<int>> times;
  std::atomic<std::int64_t> highest_worker{0};
};

void visit(void* data, std::int64_t begin, std::int64_t end, std::int64_t worker) {
  auto& visits = *static_cast<Visits*>(data);
  for (std::int64_t i = begin; i < end; ++i)
    visits.times.at(static_cast<std::size_t>(i)).fetch_add(1);
  auto highest = visits.highest_worker.load();
  while (worker > highest && !visits.highest_worker.compare_exchange_weak(highest, worker)) {
  }
}

TEST(ThreadPool, runs_every_iteration_exactly_once_for_every_size_and_count) {
  for (int size = 1; size <= 7; ++size) {
    ThreadPool pool(size);
    ASSERT_EQ(pool.size(), size);
    for (std::int64_t count = 0; count <= 1000; count += count < 20 ? 1 : 89) {
      Visits visits(count);
      pool.parallel_for(count, visit, &visits);
      for (std::int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(visits.times[static_cast<std::size_t>(i)], 1)
            << "iteration " << i << " of " << count << ", size " << size;
      }
      ASSERT_LT(visits.highest_worker, size);
    }
  }
}

TEST(ThreadPool, loops_of_several_threads_are_whole) {
  ThreadPool pool(3);
  std::atomic<bool> whole{true};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int call = 0; call < 2000; ++call) {
        Visits visits(7);
        pool.parallel_for(7, visit, &visits);
        for (const auto& times : visits.times) whole = whole && times == 1;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_TRUE(whole);
}

// Loops of changing length, so that a late worker that mixed up two of them would run too much, too
// little or out of range.
TEST(ThreadPool, consecutive_short_loops_never_mix) {
  for (int size : {2, 7}) {
    ThreadPool pool(size);
    struct Sum {
      std::int64_t count;
      std::atomic<std::int64_t> total{0};
      std::atomic<bool> in_range{true};
    };
    for (std::int64_t call = 0; call < 50000; ++call) {
      Sum sum{.count = 2 + (call * 7) % 11};
      pool.parallel_for(
          sum.count,
          [](void* data, std::int64_t begin, std::int64_t end, std::int64_t) {
            auto& mine = *static_cast<Sum*>(data);
            if (begin < 0 || end > mine.count) mine.in_range = false;
            for (auto i = begin; i < end; ++i)
              mine.total.fetch_add(i + 1, std::memory_order_relaxed);
          },
          &sum);
      ASSERT_TRUE(sum.in_range) << "call " << call;
      ASSERT_EQ(sum.total, sum.count * (sum.count + 1) / 2) << "call " << call << ", size " << size;
    }
  }
}

TEST(ThreadPool, writes_of_workers_are_visible_after_the_loop) {
  ThreadPool pool(4);
  std::vector<int> plain(257);
  for (int round = 1; round <= 1000; ++round) {
    pool.parallel_for(
        static_cast<std::int64_t>(plain.size()),
        [](void* data, std::int64_t begin, std::int64_t end, std::int64_t) {
          for (auto i = begin; i < end; ++i)
            ++(*static_cast<std::vector<int>*>(data))[static_cast<std::size_t>(i)];
        },
        &plain);
    for (int value : plain) ASSERT_EQ(value, round);
  }
}

// Two iterations that wait for each other finish only if two workers run at the same time.
TEST(ThreadPool, iterations_run_side_by_side) {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  pool.parallel_for(
      2,
      [](void* data, std::int64_t, std::int64_t, std::int64_t) {
        auto& all = *static_cast<std::atomic<int>*>(data);
        ++all;
        while (all < 2) std::this_thread::yield();
      },
      &arrived);
  EXPECT_EQ(arrived, 2);
}

TEST(ThreadPool, size_zero_means_the_usable_cores) {
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  EXPECT_EQ(ThreadPool(0).size(), CPU_COUNT(&set));
}

TEST(ThreadPool, pools_come_and_go) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(3);
    if (i % 2 == 0) continue;
    Visits visits(5);
    pool.parallel_for(5, visit, &visits);
    for (auto& times : visits.times) ASSERT_EQ(times, 1);
  }
}

}  // namespace
}  // namespace cnnc
