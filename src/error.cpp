#include "error.h"

#include "numbers.h"

namespace plainnet {

void append(std::string& to, double part) { to += format("%g", part); }

}  // namespace plainnet
