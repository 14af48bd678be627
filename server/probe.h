// `patchserve --probe`: what a container's health check runs, where there is no shell.
#pragma once

#include <string>

namespace patchserve {

// Asks the server at `address`, in plaintext, whether `service` ("": everything) is SERVING.
// 0 if it is; otherwise 1, and stderr says why. Takes at most two seconds.
int Probe(const std::string& address, const std::string& service);

}  // namespace patchserve
