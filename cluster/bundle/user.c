// libapportion_user.so, loaded before a bundle's programs: makes only the bundle's own C library look up
// names of users and machines, since the machine's plug-ins for that (LDAP, systemd) are made for the
// machine's C library. A user not in /etc/passwd, as on most clusters, is taken from the environment: mpirun
// refuses a user without a name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <nss.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

// Linked with -z initfirst: some libraries look up the user while they are loaded.
__attribute__((constructor)) static void use_no_plugins(void) {
  const char* databases[] = {"passwd",    "group",    "shadow", "services",
                             "protocols", "networks", "rpc",    "ethers"};
  for (unsigned i = 0; i < sizeof(databases) / sizeof(databases[0]); ++i)
    __nss_configure_lookup(databases[i], "files");
  __nss_configure_lookup("hosts", "files dns");
}

static char* environment_or(const char* name, char* otherwise) {
  char* value = getenv(name);
  return value == NULL ? otherwise : value;
}

struct passwd* getpwuid(uid_t user) {
  static struct passwd own;
  struct passwd* (*look_up)(uid_t) = (struct passwd * (*)(uid_t)) dlsym(RTLD_NEXT, "getpwuid");
  struct passwd* found = look_up == NULL ? NULL : look_up(user);
  if (found != NULL || user != getuid()) return found;
  own.pw_name = environment_or("USER", "user");
  own.pw_passwd = "";
  own.pw_uid = user;
  own.pw_gid = getgid();
  own.pw_gecos = "";
  own.pw_dir = environment_or("HOME", "/");
  own.pw_shell = environment_or("SHELL", "/bin/sh");
  return &own;
}
