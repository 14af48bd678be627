#include "server/model/thread_team.h"

#include <ATen/Parallel.h>

#include <latch>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

#include "server/model/engine.h"

// Of omp.h, which Clang doesn't find beside GCC's headers.
extern "C" void omp_set_num_threads(int threads);

namespace patchserve {
namespace {

// Whether so many more can be there at once.
bool CanStart(int threads) {
  std::latch tried(1);
  std::vector<std::thread> started;
  bool can = true;
  try {
    while (static_cast<int>(started.size()) < threads) {
      started.emplace_back([&] { tried.wait(); });
    }
  } catch (const std::system_error&) {
    can = false;
  }
  tried.count_down();
  for (std::thread& thread : started) thread.join();
  return can;
}

}  // namespace

std::unique_ptr<ThreadTeam> ThreadTeam::Start(int threads) {
  // As many again: others may start some between this look and libgomp's start.
  if (!CanStart(2 * threads)) return nullptr;
  try {
    return std::unique_ptr<ThreadTeam>(new ThreadTeam(threads));
  } catch (const std::system_error&) {  // of its first thread
    return nullptr;
  }
}

ThreadTeam::ThreadTeam(int threads)
    : threads_(threads), first_("all-cores", 1, std::numeric_limits<int>::max()) {
  Run([] { PrepareRunnerThread(/*intra_op_threads=*/1); });
  // At its first use on a thread LibTorch sets the number anew: so the second round starts them.
  for (int round = 0; round < 2; ++round) {
    Run([&] {
      static_cast<void>(at::get_num_threads());
      at::parallel_for(0, threads_, /*grain_size=*/1, [](int64_t, int64_t) {});
    });
  }
}

void ThreadTeam::Run(const std::function<void()>& work) {
  std::latch done(1);
  static_cast<void>(first_.TryRun([&] {
    // A deterministic network has set it to one. LibTorch's own function would start threads for
    // parts of it that aren't used here.
    omp_set_num_threads(threads_);
    work();
    done.count_down();
  }));
  done.wait();
}

}  // namespace patchserve
