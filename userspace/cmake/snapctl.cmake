# SPDX-License-Identifier: GPL-2.0-or-later

find_package(PkgConfig REQUIRED)

set(snapctl_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
option(SNAPCTL_SANITIZE "with AddressSanitizer and UBSan" OFF)
if(SNAPCTL_SANITIZE)
	# What UBSan finds ends the program, as what ASan finds does.
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
endif()

# What every program and library of ours has in common.
function(snapctl_settings target)
	target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${snapctl_warnings}>)
	target_include_directories(${target} PUBLIC "${snapctl_top}/userspace")
endfunction()

# snapctl_library(NAME SOURCES file... [USES library...] [PACKAGES pkg-config-name...])
# makes the static library snapctl_NAME.
function(snapctl_library name)
	cmake_parse_arguments(arg "" "" "SOURCES;USES;PACKAGES" ${ARGN})
	add_library(snapctl_${name} STATIC ${arg_SOURCES})
	snapctl_settings(snapctl_${name})
	foreach(package ${arg_PACKAGES})
		string(MAKE_C_IDENTIFIER "pkg_${package}" module)
		if(NOT TARGET PkgConfig::${module})
			pkg_check_modules(${module} REQUIRED IMPORTED_TARGET GLOBAL ${package})
		endif()
		target_link_libraries(snapctl_${name} PRIVATE PkgConfig::${module})
	endforeach()
	foreach(library ${arg_USES})
		target_link_libraries(snapctl_${name} PUBLIC snapctl_${library})
	endforeach()
endfunction()

# snapctl_tests(PART library...): all tests/userspace/PART_*_test.cc become one
# program of Boost.Test, test-PART, which ctest runs. `library` is what it
# links, without snapctl_.
function(snapctl_tests part)
	file(GLOB sources CONFIGURE_DEPENDS "${snapctl_top}/tests/userspace/${part}_*_test.cc")
	if(NOT sources)
		return()
	endif()
	foreach(library ${ARGN})
		if(NOT TARGET snapctl_${library})
			return()
		endif()
	endforeach()
	# It sets a macro before it includes what the others have precompiled.
	set_source_files_properties("${snapctl_top}/tests/userspace/main.cc" PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
	add_executable(test-${part} ${sources} "${snapctl_top}/tests/userspace/main.cc")
	snapctl_settings(test-${part})
	target_compile_definitions(test-${part} PRIVATE BOOST_TEST_DYN_LINK SNAPCTL_TOP="${CMAKE_SOURCE_DIR}/..")
	target_include_directories(test-${part} PRIVATE "${snapctl_top}/tests/userspace")
	if(TARGET test-base)
		if(NOT part STREQUAL base)
			target_precompile_headers(test-${part} REUSE_FROM test-base)
		else()
			target_precompile_headers(test-${part} PRIVATE <boost/test/unit_test.hpp> <string> <vector>)
		endif()
	endif()
	target_link_libraries(test-${part} PRIVATE boost_unit_test_framework)
	foreach(library ${ARGN})
		target_link_libraries(test-${part} PRIVATE snapctl_${library})
	endforeach()
	add_test(NAME ${part} COMMAND test-${part} --report_level=short --color_output=no)
endfunction()
