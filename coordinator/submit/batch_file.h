// The batch file of a job or sweep: an array of members that each start the same command on ranks of their
// own, pass a signal on, and put themselves back into the queue. Pure; submit.h writes and submits it.
#pragma once

#include <string>
#include <vector>

#include "coordinator/submit/site.h"

namespace apportion {

struct BatchRequest {
  std::string name;                    // of the job in Slurm and of the files
  std::string folder;                  // for the file and its output, absolute
  std::string directory;               // where the command is started, absolute
  std::string program;                 // absolute
  std::vector<std::string> arguments;  // for the program: run, the job file, its options
  int members = 1;                     // how many may be at work at one time
  int ranks = 0;                       // per member; 0: the site's
  double grace_s = 120;  // a job is told this long before its end, so that it can save its state
};

/// `text` as one word of a shell command.
std::string shell_word(const std::string& text);

/// Ranks per member: as asked for, else the site's, else one for each GPU of a node, else one.
int ranks_of(const BatchRequest& request, const Site& site);

/// Throws UserError for what a batch file cannot hold (a line break in a path), for more members than a Slurm
/// array should have, and for a time limit that leaves too little time to work besides the grace.
std::string render_batch_file(const BatchRequest& request, const Site& site);

}  // namespace apportion
