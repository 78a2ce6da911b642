#pragma once

namespace plainnet {

/// All of ./predict: reads the command line, applies a trained network, prints what it says.
/// Returns the exit status; throws Error.
int run_prediction(int argc, const char* const* argv);

}  // namespace plainnet
