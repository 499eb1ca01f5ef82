// The parts of the C ABI, each driven by an input.
#pragma once
#include <utility>

#include "fusion.h"
#include "input.hpp"

void segmentation(Input& in);
void triangulation(Input& in);
void assignment(Input& in);
void ranking(Input& in);
void sparse(Input& in);
void marginals(Input& in);
void matching(Input& in);
void tracking(Input& in);
void association(Input& in);

/// Cameras from calibrations that are mostly good; those that are refused become NaN or stay what they were.
std::vector<fusion_camera> cameras(Input& in, int count);
