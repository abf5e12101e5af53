# Runs after a GoogleTest binary is built: writes OUTPUT, which makes each suite of BINARY a ctest test named
# NAME/suite. Other arguments: WORKING_DIRECTORY, PROPERTIES (a list for set_tests_properties).
execute_process(COMMAND ${BINARY} --gtest_list_tests WORKING_DIRECTORY ${WORKING_DIRECTORY}
  OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(^|\n)[A-Za-z][A-Za-z0-9_/]*\\." suites "${listed}")
if(NOT suites)
  message(FATAL_ERROR "${BINARY} has no tests")
endif()
string(REPLACE ";" "]=] [=[" properties "${PROPERTIES}")
set(tests "")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "[\n.]" "" suite "${suite}")
  string(APPEND tests "add_test([=[${NAME}/${suite}]=] [=[${BINARY}]=] --gtest_brief=1 [=[--gtest_filter=${suite}.*]=])\n"
    "set_tests_properties([=[${NAME}/${suite}]=] PROPERTIES WORKING_DIRECTORY [=[${WORKING_DIRECTORY}]=]"
    " [=[${properties}]=])\n")
endforeach()
file(WRITE ${OUTPUT} "${tests}")
