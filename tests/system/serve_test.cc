#include "server/serve.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

// How many arenas malloc has when so many threads have used it at once.
int ArenasOf(int count) {
  std::latch allocated(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      const auto memory = std::make_unique<char[]>(1000);
      allocated.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  char* text = nullptr;
  size_t size = 0;
  FILE* const file = open_memstream(&text, &size);
  malloc_info(0, file);
  std::fclose(file);
  int arenas = 0;
  const std::string all(text, size);
  for (size_t at = 0; (at = all.find("<heap nr=", at)) != std::string::npos; ++at) ++arenas;
  std::free(text);
  return arenas;
}

// The threads of a backend that is opened are many.
TEST(ServeDeathTest, TheMemoryLimitBoundsTheArenasBeforeTheBackendStartsItsThreads) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer brings its own allocator";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<std::string> arguments = {"patchserve", "--memory_limit=1073741824",
                                        "--models=" PATCHSERVE_MODELS "/vit_cifar10"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  EXPECT_EXIT(Serve(static_cast<int>(arguments.size()), argv.data(),
                    [](const Config&) -> absl::StatusOr<Backend> {
                      return absl::InternalError(absl::StrCat(ArenasOf(32), " arenas"));
                    }),
              ::testing::ExitedWithCode(1), " 2 arenas");
}

}  // namespace
}  // namespace patchserve
