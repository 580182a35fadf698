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

# Decided once per build folder: a ccache that is installed later would compile everything again.
if(NOT DEFINED CACHE{HEARTH_CCACHE})
    find_program(CCACHE ccache)
    set(HEARTH_CCACHE "${CCACHE}" CACHE STRING "Compiler cache, empty for none")
endif()
if(HEARTH_CCACHE)
    # The two liberties are what ccache asks for before it caches anything that uses a precompiled header. Without CCACHE_DEPEND a file it
    # does not know is preprocessed on its own first.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 ${HEARTH_CCACHE})
endif()

# Equal bits everywhere: the compiler never fuses a multiply and an add on its own, FMA stands only where it is written.
add_compile_options(-ffp-contract=off -Wall -Wextra -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False alarms of GCC 12 inside its own vector and string headers and in std::expected.
    add_compile_options(-Wno-psabi -Wno-uninitialized -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread
        -Wno-array-bounds -Wno-restrict)
else()
    # Deprecated is what std::stable_sort of GCC 12's library uses itself.
    add_compile_options(-Wno-gnu-statement-expression -Wno-psabi -Wno-deprecated-declarations)
endif()
if(HEARTH_WERROR)
    add_compile_options(-Werror)
endif()

# One portable binary: a modest baseline, faster kernels are chosen at run time (src/backends/cpu/isa.h).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-march=x86-64-v2)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC would move loads ahead until registers run out: twice the instructions in the kernels' loops. What the loops need is sorted
    # again once registers are given.
    add_compile_options(-fno-schedule-insns)
endif()

set(HEARTH_LIBRARIES STATIC)
if(HEARTH_SANITIZE)
    # Sixty test programs would each link all of it once more.
    set(HEARTH_LIBRARIES SHARED)
    add_compile_definitions(HEARTH_SANITIZED)  # compilers have different ways to tell
    if(HEARTH_SANITIZE MATCHES "thread")
        add_compile_definitions(HEARTH_SANITIZED_THREADS)
    endif()
    add_compile_options(-fPIC)  # for programs too, so that all can use one precompiled header
    add_compile_options(-fsanitize=${HEARTH_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${HEARTH_SANITIZE})
    if(HEARTH_SANITIZE MATCHES "undefined")
        # File formats are unaligned; access goes through memcpy and loadu. What the others of these look for the address sanitizer or the
        # processor finds as well (a null pointer traps); they would make a third of the compile time.
        add_compile_options(-fno-sanitize=alignment,null,vptr,object-size,nonnull-attribute,returns-nonnull-attribute)
    endif()
endif()
if(HEARTH_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
if(CMAKE_CROSSCOMPILING)
    # Libraries of this machine cannot be linked; their headers and sources can.
    add_library(fmt::fmt INTERFACE IMPORTED)
    target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
else()
    find_package(fmt REQUIRED)
endif()

# What nearly every source includes is parsed once for all rooms and once for all tests: a third of the compile time. Sources still
# name what they use; -DHEARTH_PCH=OFF, as the fuzz preset has it, shows whether they do.
option(HEARTH_PCH "Parse the usual headers once" ON)
# hearth_precompiled(KIND HEADER LINK...): defines what hearth_use_precompiled(TARGET KIND) gives to a target.
function(hearth_precompiled kind header)
    if(NOT HEARTH_PCH)
        return()
    endif()
    set(source ${CMAKE_BINARY_DIR}/precompiled/${kind}.cpp)
    if(NOT EXISTS ${source})
        file(WRITE ${source} "")
    endif()
    add_library(hearth_precompiled_${kind} OBJECT ${source})
    target_link_libraries(hearth_precompiled_${kind} PRIVATE ${ARGN})
    target_precompile_headers(hearth_precompiled_${kind} PRIVATE ${header})
endfunction()
function(hearth_use_precompiled target kind)
    if(HEARTH_PCH)
        target_precompile_headers(${target} REUSE_FROM hearth_precompiled_${kind})
    endif()
endfunction()
if(HEARTH_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)  # lets ccache see through it
endif()
hearth_precompiled(rooms ${CMAKE_SOURCE_DIR}/cmake/usual_headers.h fmt::fmt)

# Sources that say little and instantiate much are compiled a few at a time as one unit, which halves their time.
# -DHEARTH_TOGETHER=OFF, as the fuzz preset has it, shows whether each stands on its own.
option(HEARTH_TOGETHER "Compile small sources of one target as one unit" ON)
# hearth_compile_together(TARGET [APART source...]): all but those of APART, whose names clash or which are large anyway.
function(hearth_compile_together target)
    cmake_parse_arguments(ONE "" "" "APART" ${ARGN})
    if(HEARTH_TOGETHER)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
        set_source_files_properties(${ONE_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
endfunction()

# hearth_room(NAME SOURCES ... LINK ... [COLD [HOT ...] [APART ...]]): the library of one folder below src/. Its headers are reachable as "NAME/x.h", and only
# for those who link it: each room has an include root of its own that holds a link to nothing but that room. COLD: nothing in it is
# hot but the sources of HOT, so the others are compiled faster, and together but for those of APART.
function(hearth_room name)
    cmake_parse_arguments(ROOM "COLD" "" "SOURCES;LINK;PRIVATE_LINK;HOT;APART" ${ARGN})
    set(root ${CMAKE_BINARY_DIR}/include/${name})
    file(MAKE_DIRECTORY ${root})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${root}/${name} SYMBOLIC)
    set(target hearth_${name})
    if(ROOM_SOURCES)
        add_library(${target} ${HEARTH_LIBRARIES} ${ROOM_SOURCES})
        target_include_directories(${target} PUBLIC ${root})
        target_link_libraries(${target} PUBLIC ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK})
        hearth_use_precompiled(${target} rooms)
        if(ROOM_COLD)
            target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
            set_source_files_properties(${ROOM_HOT} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
            hearth_compile_together(${target} APART ${ROOM_HOT} ${ROOM_APART})
        endif()
    else()
        add_library(${target} INTERFACE)
        target_include_directories(${target} INTERFACE ${root})
        target_link_libraries(${target} INTERFACE ${ROOM_LINK})
    endif()
endfunction()

set(HEARTH_SHARED "${CMAKE_SOURCE_DIR}/../shared" CACHE PATH "Recorded truth for the tests; absent, its tests are skipped")

# For test programs and the libraries they share: compile time matters more there than run time. They are not
# optimised at all, unless OPTIMISED says that their own loops are long (oracles over many numbers).
function(hearth_compile_as_test target)
    if("OPTIMISED" IN_LIST ARGN)
        target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
        hearth_use_precompiled(${target} optimised_tests)
    else()
        target_compile_options(${target} PRIVATE $<$<CONFIG:Release,Sanitize>:-O0>)
        hearth_use_precompiled(${target} tests)
    endif()
endfunction()

# hearth_test(NAME SOURCES ... LINK ... [LABELS fast|slow] [OPTIMISED] [APART ...] [EMULATED filter]): a GoogleTest program; ctest sees it
# as one test. EMULATED: the cases that are run for another processor under an emulator too, which takes some twenty times as long.
function(hearth_test name)
    cmake_parse_arguments(TEST "OPTIMISED" "TIMEOUT;EMULATED" "SOURCES;LINK;LABELS;APART" ${ARGN})
    if(NOT TEST_LABELS)
        set(TEST_LABELS fast)
    endif()
    if(NOT TEST_TIMEOUT)
        set(TEST_TIMEOUT 300)
    endif()
    add_executable(${name} ${TEST_SOURCES})
    hearth_compile_together(${name} APART ${TEST_APART})
    target_link_libraries(${name} PRIVATE ${TEST_LINK} hearth_test_support)
    if(TEST_OPTIMISED)
        hearth_compile_as_test(${name} OPTIMISED)
    else()
        hearth_compile_as_test(${name})
    endif()
    if("fast" IN_LIST TEST_LABELS)
        add_dependencies(fast_tests ${name})
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT}
        ENVIRONMENT "HEARTH_SHARED=${HEARTH_SHARED};HEARTH_BINARY=${CMAKE_BINARY_DIR}/src/cli/hearth")
    if(TEST_EMULATED AND CMAKE_CROSSCOMPILING)
        add_dependencies(emulated_tests ${name})
        set_property(TEST ${name} APPEND PROPERTY LABELS emulated)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "GTEST_FILTER=${TEST_EMULATED}")
    endif()
endfunction()

# hearth_long_test(NAME): the same program once more with HEARTH_LONG=1, for cases that go on for minutes then; `./test --long` runs it.
function(hearth_long_test name)
    add_test(NAME ${name}_long COMMAND ${name})
    set_tests_properties(${name}_long PROPERTIES LABELS long TIMEOUT 1800
        ENVIRONMENT "HEARTH_LONG=1;HEARTH_SHARED=${HEARTH_SHARED};HEARTH_BINARY=${CMAKE_BINARY_DIR}/src/cli/hearth")
endfunction()
