// Five questions beside the cells; each prints its answer as a table.
#pragma once

namespace patchserve::simulate {

// What becomes of a model's steady load when another model on the device gets three times
// what the device can do.
void PrintBurst();

// What becomes of a model's requests with little time beside a stream of another model's that
// has all the time in the world and keeps the device busy.
void PrintStream();

// A hundred devices with a million requests a second, each sent to any of them by chance,
// for ten seconds: goodput a device, and what it cost to simulate. Chance routing makes
// the streams of the devices independent, so they are simulated one after the other.
void PrintCluster();

// What becomes of overload when clients who are refused come again: one core, where the largest
// batch takes two thirds of the time an image.
void PrintRetries();

// Two models on a device of which one takes twenty times as long, and its callers bring more time.
void PrintUnlike();

}  // namespace patchserve::simulate
