# The compiler of the kernels for NVIDIA GPUs, from PyPI; no GPU is needed to compile them.
#
# patchserve_cuda_objects(NAME SOURCES a.cu ... ARCHITECTURES 80 90a ...
#                         [DEFINITIONS A=1 ...]):
#                         an object library of kernels; in the quick configuration only for sm_90a,
#                         with PATCHSERVE_CUDA_QUICK defined. A kernel that spills registers to
#                         memory, or more than spills.txt of its folder allows NAME, doesn't compile.
set(PATCHSERVE_CUDA "" CACHE STRING
    "libpatchserve_cuda.so: FULL, or QUICK for one GPU (sm_90a) and few kernels, or OFF; empty: FULL with LibTorch for CUDA")
set_property(CACHE PATCHSERVE_CUDA PROPERTY STRINGS "" FULL QUICK OFF)
if(PATCHSERVE_CUDA STREQUAL "")
  if(LIBTORCH_HOME MATCHES "-cuda$" AND NOT PATCHSERVE_SANITIZE)
    set(PATCHSERVE_CUDA FULL)
  else()
    set(PATCHSERVE_CUDA OFF)
  endif()
endif()
if(NOT PATCHSERVE_CUDA)
  return()
endif()

set(CUDA_HOME ${PATCHSERVE_DEPS}/cuda-compiler-13.0.88)
if(NOT EXISTS ${CUDA_HOME}/complete)
  message(FATAL_ERROR "no ${CUDA_HOME}: run tools/install_deps.sh --cuda")
endif()
message(STATUS "CUDA kernels: ${PATCHSERVE_CUDA}, by ${CUDA_HOME}")
set(CMAKE_CUDA_COMPILER ${CUDA_HOME}/bin/nvcc)
set(CMAKE_CUDA_ARCHITECTURES 90a-real)
set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # LibTorch's own is loaded already
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
enable_language(CUDA)

# The library lies beside the programs, which look for it there.
set(CMAKE_BUILD_RPATH "\$ORIGIN")

function(patchserve_cuda_objects name)
  cmake_parse_arguments(ARG "" "" "SOURCES;ARCHITECTURES;DEFINITIONS" ${ARGN})
  if(PATCHSERVE_CUDA STREQUAL QUICK)
    set(ARG_ARCHITECTURES 90a)
  endif()
  list(TRANSFORM ARG_ARCHITECTURES APPEND -real)
  add_library(${name} OBJECT ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    CUDA_ARCHITECTURES "${ARG_ARCHITECTURES}"
    POSITION_INDEPENDENT_CODE ON
    CUDA_VISIBILITY_PRESET hidden)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_include_directories(${name} SYSTEM PRIVATE ${CUDA_HOME}/cutlass)
  target_compile_options(${name} PRIVATE
    --Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror --compress-mode=size)
  target_compile_definitions(${name} PRIVATE ${ARG_DEFINITIONS})
  if(PATCHSERVE_CUDA STREQUAL QUICK)
    target_compile_definitions(${name} PRIVATE PATCHSERVE_CUDA_QUICK)
  endif()
  set(check ${PROJECT_SOURCE_DIR}/cmake/check_spills.sh)
  set(spills ${CMAKE_CURRENT_SOURCE_DIR}/spills.txt)
  target_compile_options(${name} PRIVATE -Xptxas=-v)
  set_source_files_properties(${ARG_SOURCES} PROPERTIES OBJECT_DEPENDS "${check};${spills}")
  set_target_properties(${name} PROPERTIES CUDA_COMPILER_LAUNCHER
    "${check};${spills};${name};${CMAKE_CXX_COMPILER_LAUNCHER}")
endfunction()
