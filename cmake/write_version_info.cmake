# Run by the target version_info: fills version_info.h.in with the versions given and git's commit.
execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(COMMIT "unknown")
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/version_info.h.in" "${OUTPUT}" @ONLY)
