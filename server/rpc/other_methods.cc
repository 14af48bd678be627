#include "server/rpc/other_methods.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/quote.h"

namespace patchserve {
namespace {

constexpr char kInference[] = "/inference.GRPCInferenceService/";

class OtherCall final : public grpc::ServerGenericBidiReactor {
 public:
  explicit OtherCall(const std::string& method) {
    if (method == absl::StrCat(kInference, "SystemSharedMemoryUnregister") ||
        method == absl::StrCat(kInference, "CudaSharedMemoryUnregister")) {
      StartWriteAndFinish(&nothing_, grpc::WriteOptions(), grpc::Status::OK);
      return;
    }
    const char* why = absl::StrContains(method, "SharedMemory")
                          ? ": shared memory isn't offered, send tensors in the message"
                          : "";
    Finish({grpc::StatusCode::UNIMPLEMENTED,
            absl::StrCat("this server has no method ", Quote(method), why)});
  }
  void OnDone() override { delete this; }

 private:
  // A message without fields has no bytes.
  const grpc::Slice empty_;
  const grpc::ByteBuffer nothing_{&empty_, 1};
};

}  // namespace

grpc::ServerGenericBidiReactor* OtherMethods::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  return new OtherCall(context->method());
}

}  // namespace patchserve
