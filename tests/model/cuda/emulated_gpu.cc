#include "tests/model/cuda/emulated_gpu.h"

#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace patchserve::cuda {
namespace {

constexpr size_t kStackBytes = 64 << 10;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "emulated GPU: thread %d of block %d, %d: %s\n", EmulatedGpu::Thread(),
               EmulatedGpu::BlockX(), EmulatedGpu::BlockY(), what);
  std::abort();
}

struct Copy {
  std::byte* to;
  Chunk chunk;
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
  std::vector<Copy> copies;  // that haven't arrived
  unsigned products = 0;     // that it has begun
  unsigned exchanges = 0;    // of a value with its warp
};

// Threads that wait until all `expected` are there.
struct Meeting {
  int expected = 0;
  std::vector<int> waiting;
};

struct Memory {
  const std::byte* begin;
  size_t bytes;
};

struct Emulator {
  EmulatedGrid grid;
  std::function<void()> kernel;
  int block_x = 0, block_y = 0;
  int thread = 0;  // that runs
  std::vector<Fiber> fibers;
  std::vector<int> ready;  // threads that could run
  int ended = 0;
  Meeting block;
  std::vector<Meeting> warps;
  std::vector<std::byte> shared;
  std::vector<Memory> allowed;
  std::mt19937 random{1};
  ucontext_t host;
};

Emulator& The() {
  static Emulator emulator;
  return emulator;
}

int TakeReady(Emulator& e) {
  size_t i = e.ready.size() - 1;
  if (e.grid.order == ThreadOrder::kForward) i = 0;
  if (e.grid.order == ThreadOrder::kRandom) i = e.random() % e.ready.size();
  const int thread = e.ready[i];
  e.ready.erase(e.ready.begin() + i);
  return thread;
}

// Leaves thread `from` for another; returns when somebody leaves for it.
void Leave(Emulator& e, int from) {
  if (e.ready.empty()) Fail("waits for threads that ended, or that wait elsewhere");
  e.thread = TakeReady(e);
  if (e.thread != from) swapcontext(&e.fibers[from].context, &e.fibers[e.thread].context);
}

void Meet(Meeting& meeting) {
  Emulator& e = The();
  const int self = e.thread;
  meeting.waiting.push_back(self);
  if (static_cast<int>(meeting.waiting.size()) == meeting.expected) {
    e.ready.insert(e.ready.end(), meeting.waiting.begin(), meeting.waiting.end());
    meeting.waiting.clear();
  }
  Leave(e, self);
}

void RunFiber() {
  Emulator& e = The();
  e.kernel();
  if (!e.fibers[e.thread].copies.empty()) Fail("ends before its copies arrived");
  if (++e.ended == e.grid.threads) setcontext(&e.host);
  Leave(e, e.thread);
}

void RunBlock(Emulator& e) {
  e.shared.assign(e.grid.shared_bytes, std::byte{0xff});
  e.ended = 0;
  e.block = {.expected = e.grid.threads};
  e.warps.assign(e.grid.threads / 32, {.expected = 32});
  e.ready.clear();
  for (int i = 0; i < e.grid.threads; ++i) {
    Fiber& fiber = e.fibers[i];
    fiber.products = 0;
    fiber.exchanges = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack = {.ss_sp = fiber.stack.get(), .ss_size = kStackBytes};
    makecontext(&fiber.context, RunFiber, 0);
    e.ready.push_back(i);
  }
  e.thread = TakeReady(e);
  swapcontext(&e.host, &e.fibers[e.thread].context);
}

void CheckMemory(const void* memory) {
  const auto* begin = static_cast<const std::byte*>(memory);
  if (reinterpret_cast<uintptr_t>(begin) % sizeof(Chunk) != 0) Fail("memory isn't aligned");
  for (const Memory& allowed : The().allowed) {
    if (begin >= allowed.begin && begin + sizeof(Chunk) <= allowed.begin + allowed.bytes) return;
  }
  Fail("memory that it may not access");
}

uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
float Number(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

uint32_t Half(BFloat16, float value) {
  if (std::isnan(value)) return 0x7fff;
  const uint32_t bits = Bits(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
uint32_t Half(Float16, float value) {
  const _Float16 half = value;
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof(bits));
  return bits;
}
float Number(Float16, uint32_t half) {
  const uint16_t bits = half;
  _Float16 value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace

void EmulatedGpu::Run(const EmulatedGrid& grid, const std::function<void()>& kernel) {
  Emulator& e = The();
  e.grid = grid;
  e.kernel = kernel;
  if (e.fibers.size() < static_cast<size_t>(grid.threads)) e.fibers.resize(grid.threads);
  for (e.block_y = 0; e.block_y < grid.blocks_y; ++e.block_y) {
    for (e.block_x = 0; e.block_x < grid.blocks_x; ++e.block_x) RunBlock(e);
  }
}

void EmulatedGpu::Allow(const void* memory, size_t bytes) {
  The().allowed.push_back({static_cast<const std::byte*>(memory), bytes});
}
void EmulatedGpu::Forbid() { The().allowed.clear(); }

int EmulatedGpu::Thread() { return The().thread; }
int EmulatedGpu::Threads() { return The().grid.threads; }
int EmulatedGpu::BlockX() { return The().block_x; }
int EmulatedGpu::BlockY() { return The().block_y; }

void EmulatedGpu::Synchronise() { Meet(The().block); }
void EmulatedGpu::SynchroniseWarp() { Meet(The().warps[Thread() / 32]); }

std::byte* EmulatedGpu::Shared(int at, int bytes) {
  if (at < 0 || at + bytes > The().grid.shared_bytes) Fail("beyond its shared memory");
  if (at % bytes != 0) Fail("shared memory isn't aligned");
  return The().shared.data() + at;
}

void EmulatedGpu::CopyChunk(int to, const void* from, bool zeros) {
  Copy copy = {.to = Shared(to, sizeof(Chunk)), .chunk = {}};
  if (!zeros) {
    CheckMemory(from);
    std::memcpy(&copy.chunk, from, sizeof(Chunk));
  }
  The().fibers[Thread()].copies.push_back(copy);
}

void EmulatedGpu::WaitForCopies() {
  std::vector<Copy>& copies = The().fibers[Thread()].copies;
  for (const Copy& copy : copies) std::memcpy(copy.to, &copy.chunk, sizeof(Chunk));
  copies.clear();
}

Chunk EmulatedGpu::LoadFromMemory(const void* from) {
  CheckMemory(from);
  Chunk chunk;
  std::memcpy(&chunk, from, sizeof(chunk));
  return chunk;
}

void EmulatedGpu::StoreToMemory(void* to, const Chunk& chunk) {
  CheckMemory(to);
  std::memcpy(to, &chunk, sizeof(chunk));
}

uint32_t EmulatedGpu::Permute(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    result |= (bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  }
  return result;
}

uint32_t EmulatedGpu::Pack(BFloat16 type, float first, float second) {
  return Half(type, first) | Half(type, second) << 16;
}
uint32_t EmulatedGpu::Pack(Float16 type, float first, float second) {
  return Half(type, first) | Half(type, second) << 16;
}
float EmulatedGpu::First(BFloat16, uint32_t word) { return Number(word << 16); }
float EmulatedGpu::Second(BFloat16, uint32_t word) { return Number(word & 0xffff0000u); }
float EmulatedGpu::First(Float16 type, uint32_t word) { return Number(type, word); }
float EmulatedGpu::Second(Float16 type, uint32_t word) { return Number(type, word >> 16); }

float EmulatedGpu::Exp2(float x) { return std::exp2(x); }

// Nobody begins a product before all have begun the last one, so the last but one is finished.
EmulatedGpu::Product& EmulatedGpu::WarpsProduct() {
  static Product products[32][2];
  return products[Thread() / 32][The().fibers[Thread()].products++ % 2];
}

// As with products, nobody is two exchanges ahead of another.
float EmulatedGpu::FromPartner(float value, int mask) {
  static float values[32][2][32];
  const int warp = Thread() / 32, lane = Thread() % 32;
  float(&now)[32] = values[warp][The().fibers[Thread()].exchanges++ % 2];
  now[lane] = value;
  SynchroniseWarp();
  return now[lane ^ mask];
}

}  // namespace patchserve::cuda
