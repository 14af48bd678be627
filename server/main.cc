// patchserve: the server on LibTorch.

#include "server/serve.h"
#include "server/torch_backend.h"

int main(int argc, char** argv) { patchserve::Serve(argc, argv, patchserve::OpenTorch); }
