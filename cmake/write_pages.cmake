# cmake -DPROGRAM=... -DFOLDER=... -P write_pages.cmake: writes the manual page and the shells' completions, which the
# program makes from its tables, as files under the names that they are installed under.
file(MAKE_DIRECTORY ${FOLDER})
foreach(page "man|apportion.1" "completion=bash|apportion" "completion=zsh|_apportion" "completion=fish|apportion.fish")
  string(REPLACE "|" ";" page ${page})
  list(GET page 0 what)
  list(GET page 1 name)
  execute_process(COMMAND ${PROGRAM} --dump-${what} OUTPUT_FILE ${FOLDER}/${name}.new RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${PROGRAM} --dump-${what}: ${failed}")
  endif()
  file(RENAME ${FOLDER}/${name}.new ${FOLDER}/${name})
endforeach()
