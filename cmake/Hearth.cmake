# The build's few rules in one place: language level, warnings, and how a room becomes a target.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # statement expressions carry TRY()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_EXE_LINKER_FLAGS_SANITIZE "")

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# Equal bits everywhere: the compiler never fuses a multiply and an add on its own, FMA stands only where it is written.
add_compile_options(-ffp-contract=off -Wall -Wextra -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False alarms of GCC 12 inside its own vector headers and in std::expected.
    add_compile_options(-Wno-psabi -Wno-uninitialized -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
else()
    add_compile_options(-Wno-gnu-statement-expression -Wno-psabi)
endif()
if(HEARTH_WERROR)
    add_compile_options(-Werror)
endif()

# One portable binary: a modest baseline, faster kernels are chosen at run time (src/backends/cpu/isa.h).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-march=x86-64-v2)
endif()

if(HEARTH_SANITIZE)
    add_compile_options(-fsanitize=${HEARTH_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${HEARTH_SANITIZE})
    if(HEARTH_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize=alignment)  # file formats are unaligned; access goes through memcpy and loadu
    endif()
endif()
if(HEARTH_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

# hearth_room(NAME SOURCES ... LINK ...): the library of one folder below src/. Its headers are reachable as "NAME/x.h", and only
# for those who link it: each room has an include root of its own that holds a link to nothing but that room.
function(hearth_room name)
    cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    set(root ${CMAKE_BINARY_DIR}/include/${name})
    file(MAKE_DIRECTORY ${root})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${root}/${name} SYMBOLIC)
    set(target hearth_${name})
    if(ROOM_SOURCES)
        add_library(${target} STATIC ${ROOM_SOURCES})
        target_include_directories(${target} PUBLIC ${root})
        target_link_libraries(${target} PUBLIC ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK})
    else()
        add_library(${target} INTERFACE)
        target_include_directories(${target} INTERFACE ${root})
        target_link_libraries(${target} INTERFACE ${ROOM_LINK})
    endif()
endfunction()

set(HEARTH_SHARED "${CMAKE_SOURCE_DIR}/../shared" CACHE PATH "Recorded truth for the tests; absent, its tests are skipped")

# hearth_test(NAME SOURCES ... LINK ... [LABELS fast|slow]): a GoogleTest program; ctest sees it as one test.
function(hearth_test name)
    cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
    if(NOT TEST_LABELS)
        set(TEST_LABELS fast)
    endif()
    if(NOT TEST_TIMEOUT)
        set(TEST_TIMEOUT 300)
    endif()
    add_executable(${name} ${TEST_SOURCES})
    target_link_libraries(${name} PRIVATE ${TEST_LINK} hearth_test_support)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # compile time matters more here than run time
    if("fast" IN_LIST TEST_LABELS)
        add_dependencies(fast_tests ${name})
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT}
        ENVIRONMENT "HEARTH_SHARED=${HEARTH_SHARED};HEARTH_BINARY=${CMAKE_BINARY_DIR}/src/cli/hearth")
endfunction()
