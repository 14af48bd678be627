// Methods that no service has.
#pragma once

#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"

namespace patchserve {

// Answers UNIMPLEMENTED with a text that names the method. The Open Inference Protocol's
// SystemSharedMemoryUnregister and CudaSharedMemoryUnregister are OK: nothing is registered, and
// Triton's examples call them before anything else.
class OtherMethods final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;
};

}  // namespace patchserve
