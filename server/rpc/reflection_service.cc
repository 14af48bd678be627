#include "server/rpc/reflection_service.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/base/quote.h"

namespace patchserve {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::FileDescriptorResponse;
using Request = grpc::reflection::v1::ServerReflectionRequest;
using Response = grpc::reflection::v1::ServerReflectionResponse;

void AddWithImports(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
                    FileDescriptorResponse& response) {
  if (!added.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddWithImports(*file.dependency(i), added, response);
  }
}

void SetError(grpc::StatusCode code, const std::string& message, Response& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

// `file` is null where there is none of what was asked for.
void SetFile(const FileDescriptor* file, const std::string& asked, Response& response) {
  if (file == nullptr) {
    return SetError(grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no ", Quote(asked)),
                    response);
  }
  std::set<const FileDescriptor*> added;
  AddWithImports(*file, added, *response.mutable_file_descriptor_response());
}

Response Answer(const Request& request, const std::vector<std::string>& services) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      SetFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(),
              response);
      break;
    case Request::kFileContainingSymbol:
      SetFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
              request.file_containing_symbol(), response);
      break;
    case Request::kFileContainingExtension:  // no message has any
      SetFile(nullptr, request.file_containing_extension().containing_type(), response);
      break;
    case Request::kAllExtensionNumbersOfType: {
      const std::string& type = request.all_extension_numbers_of_type();
      if (pool.FindMessageTypeByName(type) == nullptr) {
        SetFile(nullptr, type, response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(type);
      }
      break;
    }
    case Request::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    case Request::MESSAGE_REQUEST_NOT_SET:
      SetError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing", response);
  }
  return response;
}

// One call: request by request, so that no more than one answer waits to be read.
class Reflecting final : public grpc::ServerBidiReactor<Request, Response>, private OpenStream {
 public:
  Reflecting(const std::vector<std::string>& services, OpenCalls& open_calls)
      : services_(services), open_calls_(open_calls) {
    StartRead(&request_);
    open_calls_.Opened(this);
  }

  void OnReadDone(bool ok) override {
    Lock lock(mutex_);
    if (!ok) return End(grpc::Status::OK);
    if (ended_) return;
    response_ = Answer(request_, services_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    Lock lock(mutex_);
    if (!ok) return End(grpc::Status::CANCELLED);
    if (!ended_) StartRead(&request_);
  }
  void OnDone() override {
    open_calls_.Closed(this);
    delete this;
  }

 private:
  void Drain() override {
    Lock lock(mutex_);
    End({grpc::StatusCode::UNAVAILABLE, "the server is shutting down"});
  }
  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(ended_, true)) Finish(status);
  }

  const std::vector<std::string>& services_;
  OpenCalls& open_calls_;
  Mutex mutex_;
  Request request_;
  Response response_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

ReflectionService::ReflectionService(const std::string& version, std::vector<std::string> services,
                                     OpenCalls& open_calls)
    : method_(
          absl::StrCat("/grpc.reflection.", version, ".ServerReflection/ServerReflectionInfo")) {
  AddMethod(new grpc::internal::RpcServiceMethod(
      method_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING, /*handler=*/nullptr));
  MarkMethodCallback(
      0, new grpc::internal::CallbackBidiHandler<Request, Response>(
             [services = std::move(services), &open_calls](grpc::CallbackServerContext*) {
               return new Reflecting(services, open_calls);
             }));
}

}  // namespace patchserve
