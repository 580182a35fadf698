# Cross build for 64-bit ARM with Debian's compiler; programs run under qemu. Takes no package of the foreign architecture: of other
# libraries only headers are needed, which the cross compiler finds in /usr/include (see Hearth.cmake).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# A processor with everything qemu knows, so that every row of the kernel table runs.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-cpu;max;-L;/usr/aarch64-linux-gnu)
