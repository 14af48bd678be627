// Runs a kernel that is a template over `Ptx` (server/model/cuda/gpu.h) on a CPU, and stricter than
// a GPU would: shared memory begins as NaNs, asynchronous copies arrive when they are waited for
// and no sooner, and every access to memory must be aligned and within bounds. A thread is a fiber;
// it is left only where it waits for others. What is wrong ends the program.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "server/model/cuda/gpu.h"
#include "server/model/cuda/half_type.h"

namespace patchserve::cuda {

// Which of the threads that can go on does so.
enum class ThreadOrder { kForward, kReverse, kRandom };

struct EmulatedGrid {
  int blocks_x = 1, blocks_y = 1;
  int threads = 32;  // a multiple of 32
  int shared_bytes = 0;
  ThreadOrder order = ThreadOrder::kForward;
};

class EmulatedGpu {
 public:
  // Runs `kernel` as each thread of each block. Not thread-safe.
  static void Run(const EmulatedGrid& grid, const std::function<void()>& kernel);

  // The memory that kernels may read, or write, from now on; in addition to what was allowed.
  static void Allow(const void* memory, size_t bytes);
  static void Forbid();

  // As in Ptx.
  static int Thread();
  static int Threads();
  static int BlockX();
  static int BlockY();
  static void Synchronise();
  static Chunk LoadChunk(int at) { return Load<Chunk>(at); }
  static void StoreChunk(int at, const Chunk& chunk) { Store(at, chunk); }
  static uint32_t LoadWord(int at) { return Load<uint32_t>(at); }
  static float LoadFloat(int at) { return Load<float>(at); }
  static void StoreFloat(int at, float value) { Store(at, value); }
  static void CopyChunk(int to, const void* from, bool zeros);
  static void WaitForCopies();
  static Chunk LoadFromMemory(const void* from);
  static void StoreToMemory(void* to, const Chunk& chunk);
  static uint32_t Permute(uint32_t a, uint32_t b, uint32_t selector);
  template <typename T>
  static void MultiplyAdd(T type, float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
  static uint32_t Pack(BFloat16, float first, float second);
  static uint32_t Pack(Float16, float first, float second);
  static float First(BFloat16, uint32_t word);
  static float Second(BFloat16, uint32_t word);
  static float First(Float16, uint32_t word);
  static float Second(Float16, uint32_t word);
  static float Exp2(float x);
  static float Reciprocal(float x) { return 1 / x; }
  static float ReciprocalRoot(float x) { return 1 / std::sqrt(x); }
  static float FromPartner(float value, int mask);
  static float NotBelowZero(float x) { return x < 0 ? 0 : x; }
  static void Forget(int&) {}

 private:
  // Fragments of mma.m16n8k16, as numbers: a warp's, while its threads come together.
  struct Product {
    float a[16][16], b[16][8];
  };

  template <typename T>
  static T Load(int at) {
    T value;
    __builtin_memcpy(&value, Shared(at, sizeof(T)), sizeof(T));
    return value;
  }
  template <typename T>
  static void Store(int at, const T& value) {
    __builtin_memcpy(Shared(at, sizeof(T)), &value, sizeof(T));
  }
  static std::byte* Shared(int at, int bytes);
  static Product& WarpsProduct();
  static void SynchroniseWarp();
};

// PTX ISA, "Matrix Fragments for mma.m16n8k16": a thread has rows `row` and row + 8 of A and column
// `row` of B, in pairs of neighbouring k; and of the result two neighbouring columns of both rows.
template <typename T>
void EmulatedGpu::MultiplyAdd(T type, float (&sums)[4], const uint32_t (&a)[4],
                              const uint32_t (&b)[2]) {
  const int lane = Thread() % 32, row = lane / 4, pair = lane % 4 * 2;
  Product& product = WarpsProduct();
  for (int i = 0; i < 4; ++i) {
    float* to = &product.a[row + i % 2 * 8][pair + i / 2 * 8];
    to[0] = First(type, a[i]);
    to[1] = Second(type, a[i]);
  }
  for (int i = 0; i < 2; ++i) {
    product.b[pair + i * 8][row] = First(type, b[i]);
    product.b[pair + i * 8 + 1][row] = Second(type, b[i]);
  }
  SynchroniseWarp();
  for (int i = 0; i < 4; ++i) {
    for (int k = 0; k < 16; ++k) {
      sums[i] += product.a[row + i / 2 * 8][k] * product.b[k][pair + i % 2];
    }
  }
}

// A number in half precision, and back.
inline uint16_t Rounded(HalfType type, float value) {
  return type == HalfType::kBFloat16 ? EmulatedGpu::Pack(BFloat16(), value, 0)
                                     : EmulatedGpu::Pack(Float16(), value, 0);
}
inline double AsDouble(HalfType type, uint16_t half) {
  return type == HalfType::kBFloat16 ? EmulatedGpu::First(BFloat16(), half)
                                     : EmulatedGpu::First(Float16(), half);
}

}  // namespace patchserve::cuda
