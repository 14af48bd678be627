# Every library the project uses, found once. FindProtobuf must come before
# gRPC's config, which looks for protobuf itself.

# So that who includes this tree by add_subdirectory can link what the client links.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
find_package(Protobuf MODULE REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
if(PATCHSERVE_CLIENT_ONLY)
  return()
endif()
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest CONFIG REQUIRED)
find_package(benchmark CONFIG REQUIRED)
find_package(OpenCV 4.14 CONFIG REQUIRED COMPONENTS core imgproc imgcodecs
             PATHS ${PATCHSERVE_DEPS}/opencv-4.14.0.94 NO_DEFAULT_PATH)

# LibTorch from its PyPI wheel. The wheel's own CMake package wants a CUDA
# toolkit, and its include folder shadows Debian's protobuf: hence these targets
# over a folder that shows only ATen, c10, caffe2 and torch.
set(LIBTORCH_VERSION 2.11.0)
foreach(flavour cuda cpu)
  set(candidate ${PATCHSERVE_DEPS}/libtorch-${LIBTORCH_VERSION}-${flavour})
  if(NOT LIBTORCH_HOME AND EXISTS ${candidate}/complete)
    set(LIBTORCH_HOME ${candidate})
  endif()
endforeach()
if(NOT LIBTORCH_HOME)
  message(FATAL_ERROR "no LibTorch ${LIBTORCH_VERSION} under ${PATCHSERVE_DEPS}: run tools/install_deps.sh")
endif()
message(STATUS "LibTorch: ${LIBTORCH_HOME}")
add_library(libtorch::c10 SHARED IMPORTED)
set_target_properties(libtorch::c10 PROPERTIES
  IMPORTED_LOCATION ${LIBTORCH_HOME}/torch/lib/libc10.so)
add_library(libtorch::torch_cpu SHARED IMPORTED)
set_target_properties(libtorch::torch_cpu PROPERTIES
  IMPORTED_LOCATION ${LIBTORCH_HOME}/torch/lib/libtorch_cpu.so
  INTERFACE_INCLUDE_DIRECTORIES ${LIBTORCH_HOME}/include
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${LIBTORCH_HOME}/include
  INTERFACE_LINK_LIBRARIES "libtorch::c10;${LIBTORCH_HOME}/torch/lib/libgomp.so.1"
  # libtorch_cpu finds its CUDA libraries by a run path of its own.
  INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
