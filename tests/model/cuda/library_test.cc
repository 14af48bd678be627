#include "server/model/cuda/library.h"

#include <gmock/gmock.h>

#include "tests/model/status_matchers.h"

namespace patchserve::cuda {
namespace {

using ::testing::HasSubstr;

TEST(CudaLibraryTest, SaysWhyALibraryDoesNotLoad) {
  EXPECT_THAT(LoadKernels("/nonexistent/libpatchserve_cuda.so"),
              IsError(absl::StatusCode::kNotFound, HasSubstr("No such file")));
}

TEST(CudaLibraryTest, RefusesALibraryThatIsNotOurs) {
  EXPECT_THAT(LoadKernels("libc.so.6"),
              IsError(absl::StatusCode::kFailedPrecondition, HasSubstr("isn't of the same build")));
}

}  // namespace
}  // namespace patchserve::cuda
