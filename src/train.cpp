// ./train MODEL: trains a network. The command line in, the report out; exit status 0, 1 for an
// error, 2 for a wrong command line, 130 after Ctrl-C.

#include <cstdio>

#include "base/command_line.h"
#include "run/run.h"

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // each line appears at once in a file or a pipe, too
  return plainnet::run_program("train", [&] { return plainnet::run_training(argc, argv); });
}
