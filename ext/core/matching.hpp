// Which detections in several cameras are the same person: clusters of at most one detection a camera.
//
// 1. Edges: two detections of different cameras, whose rays to the same joints pass each other within the noise
//    (the squared distance of two rays over its variance, mean over the joints seen by both, each capped) and at
//    heights where people are. Most pairs fail at their first two joints, without a division.
// 2. Clusters: edges in the order of their cost; two clusters become one if they share no camera and the squared
//    distances of all rays to the joints fitted to them grow by no more than the added degrees of freedom explain
//    (Ward 1963, "Hierarchical grouping to optimize an objective function", with a physical distance).
// 3. Cameras in turn: all detections of one against all clusters by the distance of the rays to the fitted joints,
//    assigned exactly (assignment.hpp); greedy mistakes end here.
// 4. A cluster is confirmed if it is seen by two cameras and its joints make a body: heights and reach.
// Assumes noise of sigma a detection and `motion` m for cameras that looked at other times; z is up. Storage is the
// caller's. + - * / sqrt in the order of reference/matching.py; the ambiguity takes an exponential.
// Cost: n^2 / 2 pairs at about 10 ns; 160 detections of 20 people in 8 cameras about 0.3 ms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "assignment.hpp"
#include "joints.hpp"
#include "rays.hpp"

namespace fusion {

struct Edge {
    double cost;
    std::int32_t a, b;     // detections, a < b
    std::int32_t support;  // other cameras with a detection that has an edge to both
};

FUSION_INLINE bool earlier(const Edge& p, const Edge& q) {
    if (p.support != q.support) return p.support > q.support;
    if (p.cost != q.cost) return p.cost < q.cost;
    return p.a != q.a ? p.a < q.a : p.b < q.b;
}

struct MatchScratch {
    Ray8* rays;             // n
    Body* bodies;           // n: of clusters, at the place of their first member
    Body* work;             // n
    std::int32_t* next;     // n: members of a cluster, in a ring
    std::int32_t* root;     // n: first member of the cluster
    std::int32_t* cluster;  // n: roots, ascending
    std::int32_t* row;      // n: detections of one camera, or members of a cluster
    std::int32_t* column;   // n: the clusters that the detections of one camera are assigned
    Edge* edges;            // edge_room
    std::uint64_t* linked;  // n times n / 64, rounded up: bits of the edges
    std::int32_t* seen;     // cameras
    double* cost;           // n n
    double* miss;           // n
    Columns columns;        // for n
    std::int64_t edge_room;
};

constexpr std::int32_t kTooManyEdges = -1;
constexpr int kRounds = 1;  // of assignments; a second changes next to nothing

/// How many other cameras have a detection that is linked with both ends.
inline std::int32_t support(const Edge& edge, const std::int32_t* camera, std::int32_t n, const MatchScratch& s) {
    const std::int32_t words = (n + 63) / 64;
    const std::uint64_t* a = s.linked + static_cast<std::size_t>(edge.a) * words;
    const std::uint64_t* b = s.linked + static_cast<std::size_t>(edge.b) * words;
    std::int32_t count = 0;
    for (std::int32_t c = 0; c < words; ++c) {
        for (std::uint64_t both = a[c] & b[c]; both != 0; both &= both - 1) {
            const std::int32_t i = 64 * c + lowest_bit(both);
            std::int32_t& seen = s.seen[camera[i]];
            count += seen != edge.a * n + edge.b;
            seen = edge.a * n + edge.b;
        }
    }
    return count;
}

FUSION_INLINE std::int64_t find_edges(const Ray8* rays, const std::int32_t* camera, const Vec3<double>* centres,
                                      const double* motion, std::int32_t n, const People& people, MatchScratch& s) {
    const std::int32_t words = (n + 63) / 64;
    for (std::size_t k = 0; k < static_cast<std::size_t>(n) * words; ++k) s.linked[k] = 0;
    std::int64_t count = 0;
    for (std::int32_t a = 0; a < n; ++a) {
        for (std::int32_t b = a + 1; b < n; ++b) {
            if (camera[a] == camera[b]) continue;
            const Vec3<double>&ca = centres[camera[a]], &cb = centres[camera[b]];
            const double spread = motion[a] * motion[a] + motion[b] * motion[b];
            if (!near(rays[a], rays[b], cb - ca, spread)) continue;
            const double cost = ray_cost(rays[a], rays[b], ca, cb, spread, people);
            if (!(cost <= kMeanGate)) continue;
            if (count == s.edge_room) return kTooManyEdges;
            s.edges[count++] = {cost, a, b, 0};
            s.linked[static_cast<std::size_t>(a) * words + b / 64] |= std::uint64_t{1} << (b % 64);
            s.linked[static_cast<std::size_t>(b) * words + a / 64] |= std::uint64_t{1} << (a % 64);
        }
    }
    for (std::int64_t e = 0; e < count; ++e) s.edges[e].support = support(s.edges[e], camera, n, s);
    std::sort(s.edges, s.edges + count, earlier);
    return count;
}

/// Members of the cluster of `a`, then of `b` unless it is -1, as a list in `members`; false if two share a camera.
FUSION_INLINE bool list_members(std::int32_t a, std::int32_t b, const std::int32_t* camera, const MatchScratch& s,
                                std::int32_t* members, std::int32_t& count) {
    count = 0;
    std::int32_t i = a;
    do {
        members[count++] = i;
        i = s.next[i];
    } while (i != a);
    if (b < 0) return true;
    const std::int32_t first = count;
    i = b;
    do {
        for (std::int32_t k = 0; k < first; ++k) {
            if (camera[members[k]] == camera[i]) return false;
        }
        members[count++] = i;
        i = s.next[i];
    } while (i != b);
    return true;
}

/// The body nearest to the rays of the members.
FUSION_INLINE void fit(const Ray8* rays, const std::int32_t* camera, const Vec3<double>* centres, const double* motion,
                       const std::int32_t* members, std::int32_t count, const Vec8& start, Body& body) {
    Sum8 sums{};
    for (std::int32_t k = 0; k < count; ++k) {
        const std::int32_t i = members[k];
        add_ray(rays[i], centres[camera[i]], motion[i] * motion[i], start, sums);
    }
    solve_body(sums, start, body);
}

FUSION_INLINE Vec8 merged(const Body& one, const Body& other) {
    const auto first = one.rays > eight(1.0);
    return {choose(first, one.x.x, other.x.x), choose(first, one.x.y, other.x.y), choose(first, one.x.z, other.x.z)};
}

/// How probable it is that a row has the wrong column, its best rival being another column, no column, or another row
/// in its own column. Costs are means over joints that err together: one counts as twice a negative log likelihood
/// of two independent ones.
inline double doubt(const double* cost, std::int32_t rows, std::int32_t columns, std::int32_t r, std::int32_t column,
                    double miss) {
    double rival = column < 0 ? kInfinite : miss;
    for (std::int32_t k = 0; k < columns; ++k) {
        const double c = cost[static_cast<std::size_t>(r) * columns + k];
        if (k != column && c < rival) rival = c;
    }
    for (std::int32_t i = 0; i < rows && column >= 0; ++i) {
        const double c = cost[static_cast<std::size_t>(i) * columns + column];
        if (i != r && c < rival) rival = c;
    }
    const double own = column < 0 ? miss : cost[static_cast<std::size_t>(r) * columns + column];
    return 1.0 / (1.0 + std::exp(rival - own));
}

/// One cluster of two, if the rays of both fit the same body.
FUSION_INLINE void join(std::int32_t a, std::int32_t b, const std::int32_t* camera, const Vec3<double>* centres,
                        const double* motion, MatchScratch& s) {
    std::int32_t count;
    if (!list_members(a, b, camera, s, s.row, count)) return;
    Body &one = s.bodies[a], &other = s.bodies[b], both;
    Vec8 start;
    if (s.next[a] == a && s.next[b] == b) {
        start = midpoints(s.rays[a], s.rays[b], centres[camera[a]], centres[camera[b]]);
    } else {
        start = merged(one, other);
    }
    fit(s.rays, camera, centres, motion, s.row, count, start, both);
    if (!(both.cost - one.cost - other.cost <= kMeanGate * (both.dof - one.dof - other.dof))) return;
    std::swap(s.next[a], s.next[b]);
    const std::int32_t first = a < b ? a : b;
    for (std::int32_t k = 0; k < count; ++k) s.root[s.row[k]] = first;
    s.bodies[first] = both;
}

/// Roots of clusters of two or more, ascending; returns how many.
FUSION_INLINE std::int32_t list_clusters(std::int32_t n, MatchScratch& s) {
    std::int32_t count = 0;
    for (std::int32_t i = 0; i < n; ++i) {
        if (s.root[i] == i && s.next[i] != i) s.cluster[count++] = i;
    }
    return count;
}

/// Assigns the detections of one camera to the clusters, which are remembered in `person`, and how sure that is.
FUSION_INLINE void assign_camera(std::int32_t c, const std::int32_t* camera, const Vec3<double>* centres,
                                 const double* motion, std::int32_t n, std::int32_t clusters, MatchScratch& s,
                                 std::int32_t* person, double* ambiguity) {
    std::int32_t rows = 0;
    for (std::int32_t i = 0; i < n; ++i) {
        if (camera[i] != c) continue;
        for (std::int32_t k = 0; k < clusters; ++k) {
            s.cost[static_cast<std::size_t>(rows) * clusters + k] =
                fit_cost(s.rays[i], centres[c], motion[i] * motion[i], s.bodies[s.cluster[k]]);
        }
        s.miss[rows] = kFitGate;
        s.row[rows++] = i;
    }
    if (rows == 0) return;
    DenseRows costs{s.cost, rows, clusters};
    solve(costs, s.miss, s.columns, s.column);
    for (std::int32_t r = 0; r < rows; ++r) {
        person[s.row[r]] = s.column[r];
        ambiguity[s.row[r]] = doubt(s.cost, rows, clusters, r, s.column[r], kFitGate);
    }
}

/// Makes the detections that each cluster was assigned its members, and clusters that have become one, one.
FUSION_INLINE void regroup(const std::int32_t* camera, const Vec3<double>* centres, const double* motion,
                           std::int32_t n, std::int32_t clusters, MatchScratch& s, const std::int32_t* person) {
    std::int32_t kept = 0;
    for (std::int32_t i = 0; i < n; ++i) s.next[i] = s.root[i] = i;
    for (std::int32_t k = 0; k < clusters; ++k) {
        std::int32_t count = 0;
        for (std::int32_t i = 0; i < n; ++i) {
            if (person[i] == k) s.row[count++] = i;
        }
        if (count < 2) continue;
        Body body;
        fit(s.rays, camera, centres, motion, s.row, count, s.bodies[s.cluster[k]].x, body);
        for (std::int32_t m = 0; m < count; ++m) {
            s.next[s.row[m]] = s.row[(m + 1) % count];
            s.root[s.row[m]] = s.row[0];
        }
        s.work[kept] = body;
        s.cluster[kept++] = s.row[0];
    }
    for (std::int32_t k = 0; k < kept; ++k) s.bodies[s.cluster[k]] = s.work[k];
    for (std::int32_t k = 0; k < kept; ++k) {
        for (std::int32_t l = k + 1; l < kept; ++l) {
            const std::int32_t a = s.root[s.cluster[k]], b = s.root[s.cluster[l]];
            if (a != b) join(a, b, camera, centres, motion, s);
        }
    }
}

/// Writes the person of each detection, -1 for none, how doubtful that is, and the body of each person; returns how
/// many persons there are, or kTooManyEdges.
FUSION_INLINE std::int32_t match_all(const Sighting* sightings, const std::int32_t* camera, const Vec3<double>* centres,
                                     const double* motion, std::int32_t n, std::int32_t cameras, const People& people,
                                     MatchScratch& s, std::int32_t* person, double* ambiguity, Body* bodies) {
    for (std::int32_t i = 0; i < n; ++i) {
        aim(sightings[i], centres[camera[i]], people, s.rays[i]);
        s.next[i] = s.root[i] = i;
        s.bodies[i] = Body();
        person[i] = -1;
        ambiguity[i] = 0.0;
    }
    for (std::int32_t c = 0; c < cameras; ++c) s.seen[c] = -1;
    const std::int64_t edges = find_edges(s.rays, camera, centres, motion, n, people, s);
    if (edges < 0) return kTooManyEdges;
    for (std::int64_t e = 0; e < edges; ++e) {
        const std::int32_t a = s.root[s.edges[e].a], b = s.root[s.edges[e].b];
        if (a != b) join(a, b, camera, centres, motion, s);
    }
    for (int round = 0; round < kRounds; ++round) {
        const std::int32_t clusters = list_clusters(n, s);
        for (std::int32_t c = 0; c < cameras; ++c) {
            assign_camera(c, camera, centres, motion, n, clusters, s, person, ambiguity);
        }
        regroup(camera, centres, motion, n, clusters, s, person);
    }
    const std::int32_t clusters = list_clusters(n, s);
    for (std::int32_t i = 0; i < n; ++i) person[i] = -1;
    std::int32_t found = 0, count;
    for (std::int32_t k = 0; k < clusters; ++k) {
        const std::int32_t first = s.cluster[k];
        if (!is_body(s.bodies[first], people)) continue;
        list_members(first, -1, camera, s, s.row, count);
        for (std::int32_t m = 0; m < count; ++m) person[s.row[m]] = found;
        bodies[found++] = s.bodies[first];
    }
    return found;
}

FUSION_CLONES static std::int32_t match(const Sighting* sightings, const std::int32_t* camera,
                                        const Vec3<double>* centres, const double* motion, std::int32_t n,
                                        std::int32_t cameras, const People& people, MatchScratch s,
                                        std::int32_t* person, double* ambiguity, Body* bodies) {
    return match_all(sightings, camera, centres, motion, n, cameras, people, s, person, ambiguity, bodies);
}

}  // namespace fusion
