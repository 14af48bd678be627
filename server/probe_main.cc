// patchserve_probe: exits with 0 if a server serves, else with 1.

#include <cstdio>

#include "server/probe.h"

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fputs(
        "usage: patchserve_probe HOST:PORT [SERVICE]\n"
        "Asks the server there, in plaintext, for its health: of all models, of liveness, or of\n"
        "the model that SERVICE names. Exits with 0 if it is SERVING, else with 1.\n",
        stderr);
    return 2;
  }
  const std::string problem = patchserve::Probe(argv[1], argc == 3 ? argv[2] : "");
  if (problem.empty()) return 0;
  std::fprintf(stderr, "%s: %s\n", argv[1], problem.c_str());
  return 1;
}
