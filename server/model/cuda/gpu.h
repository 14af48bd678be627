// What kernels use of a GPU beyond C++: a kernel is a template over `Ptx`, so that a test can put
// in its place something that computes the same on a CPU. Shared memory is addressed in bytes from
// where the block's begins.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define PATCHSERVE_GPU __device__ __forceinline__
#else
#define PATCHSERVE_GPU inline
#endif

namespace patchserve::cuda {

// What numbers of 16 bits mean.
struct BFloat16 {};
struct Float16 {};

// What a thread moves at a time.
struct alignas(16) Chunk {
  uint32_t words[4];
};

#ifdef __CUDACC__
extern __shared__ __align__(128) unsigned char shared_memory[];

// For cards from compute capability 8.0 on; the instructions are described in NVIDIA's PTX ISA.
struct Ptx {
  static PATCHSERVE_GPU int Thread() { return threadIdx.x; }
  static PATCHSERVE_GPU int Threads() { return blockDim.x; }
  static PATCHSERVE_GPU int BlockX() { return blockIdx.x; }
  static PATCHSERVE_GPU int BlockY() { return blockIdx.y; }

  // Waits for all threads of the block; what they wrote to shared memory can then be read.
  static PATCHSERVE_GPU void Synchronise() { __syncthreads(); }

  static PATCHSERVE_GPU Chunk LoadChunk(int at) {
    const uint4 chunk = *reinterpret_cast<const uint4*>(shared_memory + at);
    return {{chunk.x, chunk.y, chunk.z, chunk.w}};
  }
  static PATCHSERVE_GPU void StoreChunk(int at, const Chunk& chunk) {
    *reinterpret_cast<uint4*>(shared_memory + at) = AsVector(chunk);
  }
  static PATCHSERVE_GPU uint32_t LoadWord(int at) {
    return *reinterpret_cast<const uint32_t*>(shared_memory + at);
  }
  static PATCHSERVE_GPU float LoadFloat(int at) {
    return *reinterpret_cast<const float*>(shared_memory + at);
  }
  static PATCHSERVE_GPU void StoreFloat(int at, float value) {
    *reinterpret_cast<float*>(shared_memory + at) = value;
  }

  // Starts to copy a chunk to shared memory, or zeros without a look at `from`. The thread may read
  // it after WaitForCopies, the others after Synchronise.
  static PATCHSERVE_GPU void CopyChunk(int to, const void* from, bool zeros) {
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(shared_memory + to));
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(zeros ? 0 : 16)
                 : "memory");
  }
  static PATCHSERVE_GPU void WaitForCopies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

  static PATCHSERVE_GPU Chunk LoadFromMemory(const void* from) {
    const uint4 chunk = *static_cast<const uint4*>(from);
    return {{chunk.x, chunk.y, chunk.z, chunk.w}};
  }
  static PATCHSERVE_GPU void StoreToMemory(void* to, const Chunk& chunk) {
    *static_cast<uint4*>(to) = AsVector(chunk);
  }

  // The bytes of b (7 to 4) and a (3 to 0) that the selector's hexadecimal digits name.
  static PATCHSERVE_GPU uint32_t Permute(uint32_t a, uint32_t b, uint32_t selector) {
    return __byte_perm(a, b, selector);
  }

  // sums += a * b, by all threads of a warp: [16, 16] * [16, 8], in mma.m16n8k16's fragments.
  static PATCHSERVE_GPU void MultiplyAdd(BFloat16, float (&sums)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
  static PATCHSERVE_GPU void MultiplyAdd(Float16, float (&sums)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }

  // Two numbers in a word, the first in its lower half; rounded to the nearest, ties to even.
  static PATCHSERVE_GPU uint32_t Pack(BFloat16, float first, float second) {
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
  }
  static PATCHSERVE_GPU uint32_t Pack(Float16, float first, float second) {
    uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
  }
  static PATCHSERVE_GPU float First(BFloat16, uint32_t word) { return __uint_as_float(word << 16); }
  static PATCHSERVE_GPU float Second(BFloat16, uint32_t word) {
    return __uint_as_float(word & 0xffff0000u);
  }
  static PATCHSERVE_GPU float First(Float16, uint32_t word) {
    float value;
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, low;}"
        : "=f"(value)
        : "r"(word));
    return value;
  }
  static PATCHSERVE_GPU float Second(Float16, uint32_t word) {
    float value;
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, high;}"
        : "=f"(value)
        : "r"(word));
    return value;
  }

  // Within 2 units in the last place; 0 and infinity beyond float32's range.
  static PATCHSERVE_GPU float Exp2(float x) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
  }
  static PATCHSERVE_GPU float Reciprocal(float x) {
    float inverse;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
    return inverse;
  }

  static PATCHSERVE_GPU float ReciprocalRoot(float x) {
    float inverse;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
    return inverse;
  }

  // The value of that thread of the warp whose number differs from this one's in the bits of
  // `mask`. All of the warp's threads call it.
  static PATCHSERVE_GPU float FromPartner(float value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
  }

  // 0 for what is below; no number for no number, which fmaxf would make 0.
  static PATCHSERVE_GPU float NotBelowZero(float x) {
    float larger;
    asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(larger) : "f"(x));
    return larger;
  }

  // Keeps the compiler from computing ahead, in more registers, what depends on `value`.
  static PATCHSERVE_GPU void Forget(int& value) { asm volatile("" : "+r"(value)); }

 private:
  static PATCHSERVE_GPU uint4 AsVector(const Chunk& chunk) {
    return make_uint4(chunk.words[0], chunk.words[1], chunk.words[2], chunk.words[3]);
  }
};
#endif

}  // namespace patchserve::cuda
