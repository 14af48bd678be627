// make_random_checkpoint ARCH FOLDER [SEED]: a checkpoint folder with random weights.
#include <cstdlib>
#include <iostream>

#include "tests/model/random_checkpoint.h"

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::cerr << "usage: make_random_checkpoint ARCH FOLDER [SEED]\n"
                 "such as: make_random_checkpoint vit_tiny_patch16_224 /tmp/vit_tiny\n";
    return 2;
  }
  const uint64_t seed = argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const auto spec = patchserve::NamedCheckpoint(argv[1]);
  const absl::Status status =
      spec.ok() ? patchserve::WriteRandomCheckpoint(argv[2], *spec, seed) : spec.status();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
