#include "server/model/exceptions.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "absl/strings/match.h"

namespace patchserve {
namespace {

absl::Status StatusOfMessage(const std::string& message) {
  for (const char* sign :
       {"out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED"}) {
    if (absl::StrContains(message, sign)) return absl::ResourceExhaustedError(message);
  }
  if (absl::StrContains(message, "CUDA error")) return absl::UnavailableError(message);
  return absl::InternalError(message);
}

}  // namespace

absl::Status StatusOf(const std::exception_ptr& caught) {
  try {
    std::rethrow_exception(caught);
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(error.what_without_backtrace());
  } catch (const c10::AcceleratorError& error) {
    const absl::Status status = StatusOfMessage(error.what_without_backtrace());
    return absl::IsResourceExhausted(status) ? status : absl::UnavailableError(status.message());
  } catch (const c10::Error& error) {
    return StatusOfMessage(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory");
  } catch (const std::exception& error) {
    return StatusOfMessage(error.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace patchserve
