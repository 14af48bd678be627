// What is simulated: cost curves, kinds of traffic, budgets and loads; and what came out.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/simulate/simulation.h"

namespace patchserve::simulate {

struct Curve {
  std::string name;
  Device device;
};

// vit_tiny_patch16_224 and the bundled ConvMixer in float32 on two cores of an AMD EPYC
// (Zen 3), a runner each, 2026-11-24; one with 8 ms a batch and 2 ms an image; and a
// GPU-like one, flat to 16 images and then linear, with one runner and with two.
const std::vector<Curve>& Curves();

struct Cell {
  const Curve* curve;
  std::string traffic;  // one of Traffics()
  double budget;        // that a request brings, as a multiple of a batch of one
  double load;          // as a multiple of what the device does with its best batches
};

// poisson, bursty, closed, two-models, mixed, decode.
const std::vector<std::string>& Traffics();

// All combinations.
std::vector<Cell> Cells();

// A policy in a cell, at the best of its grid of options.
struct Row {
  std::string policy;
  std::string options;
  Result result;
};

struct Outcome {
  Row ours;
  std::vector<Row> peers;
  double bound = 0;  // requests in time, at most

  const Row& Peer(const std::string& policy) const;
  const Row& best() const;
};

Outcome Simulate(const Cell& cell, bool admission);

}  // namespace patchserve::simulate
