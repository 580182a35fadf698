// The same for tests (see Hearth.cmake).
#pragma once

#include <gtest/gtest.h>

#include "usual_headers.h"
