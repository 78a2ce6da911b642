// ./train MODEL: trains a network. The command line in, the report out; exit status 0, 1 for an
// error, 2 for a wrong command line, 130 after Ctrl-C.

#include <cstdio>

#include "base/command_line.h"
#include "run/options.h"
#include "run/run.h"

int main(int argc, char** argv) {
  using namespace plainnet;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // each line appears at once in a file or a pipe, too
  return run_program("train", [&] {
    const Options options = parse_options(argc, argv);
    if (!options.help) return run_training(options);
    std::fputs(help_text().c_str(), stdout);
    return 0;
  });
}
