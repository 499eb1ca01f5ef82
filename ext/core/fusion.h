/* The C ABI of fusion's kernels, all parts: C11 and C++17. ext/README.md is its page. */
#ifndef FUSION_H
#define FUSION_H

#include "fusion_assignment.h"
#include "fusion_association.h"
#include "fusion_segmentation.h"
#include "fusion_status.h"
#include "fusion_tracking.h"
#include "fusion_triangulation.h"

#endif
