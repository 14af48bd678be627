#include "server/rpc/reflection_service.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/base/quote.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/parse.h"
#include "server/rpc/status.h"

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
class Reflecting final : public grpc::ServerBidiReactor<grpc::ByteBuffer, Response>,
                         private OpenStream {
 public:
  Reflecting(const std::vector<std::string>& services, OpenCalls& open_calls)
      : services_(services), open_calls_(open_calls) {
    StartRead(&message_);
    open_calls_.Opened(this);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    Request request;
    // A name has some dozen letters. DescriptorPool takes time by their square for one that isn't
    // there, under a lock.
    if (message_.Length() > kLongest) {
      return End(absl::InvalidArgumentError(
          absl::StrCat("a question about the services has at most ", kLongest, " bytes")));
    }
    if (const absl::Status read = Parse(std::exchange(message_, {}), request); !read.ok())
      return End(read);
    response_ = Answer(request, services_);
    Lock lock(mutex_);
    if (!ended_) StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError());
    response_ = {};
    Lock lock(mutex_);
    if (!ended_) StartRead(&message_);
  }
  void OnDone() override {
    open_calls_.Closed(this);
    { Lock lock(mutex_); }  // End may still be leaving
    delete this;
  }

 private:
  static constexpr size_t kLongest = 1024;

  void Drain() override { End(absl::UnavailableError("the server is shutting down")); }
  void End(const absl::Status& status) {
    Lock lock(mutex_);
    if (!std::exchange(ended_, true)) Finish(ToGrpc(status));
  }

  const std::vector<std::string>& services_;
  OpenCalls& open_calls_;
  grpc::ByteBuffer message_;
  Response response_;
  Mutex mutex_;
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
      0, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, Response>(
             [services = std::move(services), &open_calls](grpc::CallbackServerContext*) {
               return new Reflecting(services, open_calls);
             }));
}

}  // namespace patchserve
