"""Which detections in several cameras are the same person; what is solved and why stands in ``matching.hpp``."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.assignment_search import solve
from fusion.reference.joints import Array
from fusion.reference.joints import look as look
from fusion.reference.rays import (
    BODY,
    COST,
    DOF,
    FIT_GATE,
    MEAN_GATE,
    RAY,
    RAYS,
    add_ray,
    aim,
    fit_cost,
    is_body,
    midpoints,
    near,
    ray_cost,
    rows_of,
    solve_body,
)

Ints: TypeAlias = NDArray[np.int32]
Views: TypeAlias = tuple[Array, Ints, Array, Array]
"""Rays (n, 6, 8), camera of each (n,), centres (cameras, 3), motion (n,)."""

TOO_MANY_EDGES = -1
ROUNDS = 1  # of assignments; a second changes next to nothing
NEXT, ROOT = 0, 1


def count_support(linked: NDArray[np.bool_], camera: Ints, cameras: int, a: int, b: int) -> int:
    """Return how many other cameras have a detection that is linked with both ends."""
    seen = np.zeros(cameras, np.bool_)
    for i in range(len(camera)):
        seen[camera[i]] |= linked[a, i] & linked[b, i]
    return int(seen.sum())


def find_edges(views: Views, people: Array, room: int) -> tuple[int, Ints]:
    """Return how many pairs may be one person and these (count, 2), the best supported and cheapest first."""
    rays, camera, centres, motion = views
    n = len(camera)
    linked = np.zeros((n, n), np.bool_)
    cost, ends = np.empty(room), np.empty((room, 2), np.int32)
    count = 0
    for a in range(n):
        for b in range(a + 1, n):
            if camera[a] == camera[b]:
                continue
            ca, cb = centres[camera[a]], centres[camera[b]]
            spread = motion[a] * motion[a] + motion[b] * motion[b]
            if not near(rays[a], rays[b], cb - ca, spread):
                continue
            c = ray_cost(rays[a], rays[b], ca, cb, spread, people)
            if not c <= MEAN_GATE:
                continue
            if count == room:
                return TOO_MANY_EDGES, ends
            cost[count], ends[count, 0], ends[count, 1] = c, a, b
            linked[a, b] = linked[b, a] = True
            count += 1
    alone = np.empty(count, np.int64)
    for e in range(count):
        alone[e] = -count_support(linked, camera, len(centres), ends[e, 0], ends[e, 1])
    order = np.argsort(cost[:count], kind="mergesort")
    order = order[np.argsort(alone[order], kind="mergesort")]
    return count, ends[:count][order]


def list_members(a: int, b: int, camera: Ints, ring: Ints, members: Ints) -> tuple[bool, int]:
    """List the members of the cluster of `a`, then of `b` unless it is -1; False if two share a camera."""
    members[0], count = a, 1
    i = ring[NEXT, a]
    while i != a:
        members[count] = i
        count += 1
        i = ring[NEXT, i]
    if b < 0:
        return True, count
    first, i = count, b
    while True:
        for k in range(first):
            if camera[members[k]] == camera[i]:
                return False, count
        members[count] = i
        count += 1
        i = ring[NEXT, i]
        if i == b:
            return True, count


def fit(views: Views, members: Ints, start: Array, body: Array) -> None:
    """Write the body nearest to the rays of the members."""
    rays, camera, centres, motion = views
    sums = np.zeros((12, 8))
    for i in members:
        add_ray(rays[i], centres[camera[i]], motion[i] * motion[i], start, sums)
    solve_body(sums, start, body)


def merged(one: Array, other: Array) -> Array:
    """Return the joints of one body, where it has none those of the other."""
    a, b = rows_of(one), rows_of(other)
    x = np.empty((3, 8))
    for k in range(3):
        x[k] = np.where(a[RAYS] > 1.0, a[k], b[k])
    return x


def doubt(cost: Array, r: int, column: int, miss: float) -> float:
    """Return how probable it is that row `r` has the wrong column, its best rival being right instead."""
    n, m = cost.shape
    rival = np.inf if column < 0 else miss
    for k in range(m):
        if k != column and cost[r, k] < rival:
            rival = cost[r, k]
    for i in range(n):
        if column >= 0 and i != r and cost[i, column] < rival:
            rival = cost[i, column]
    own = miss if column < 0 else cost[r, column]
    return float(1.0 / (1.0 + np.exp(rival - own)))


def join(a: int, b: int, views: Views, ring: Ints, bodies: Array, members: Ints) -> None:
    """Make two clusters one, if the rays of both fit the same body."""
    rays, camera, centres, _ = views
    possible, count = list_members(a, b, camera, ring, members)
    if not possible:
        return
    if ring[NEXT, a] == a and ring[NEXT, b] == b:
        start = midpoints(rays[a], rays[b], centres[camera[a]], centres[camera[b]])
    else:
        start = merged(bodies[a], bodies[b])
    both = np.empty(BODY)
    fit(views, members[:count], start, both)
    grown = both[COST] - bodies[a, COST] - bodies[b, COST]
    if not grown <= MEAN_GATE * (both[DOF] - bodies[a, DOF] - bodies[b, DOF]):
        return
    after = ring[NEXT, a]
    ring[NEXT, a] = ring[NEXT, b]
    ring[NEXT, b] = after
    first = min(a, b)
    for k in range(count):
        ring[ROOT, members[k]] = first
    bodies[first] = both


def list_clusters(ring: Ints) -> Ints:
    """Return the roots of clusters of two or more, ascending."""
    n = ring.shape[1]
    found, count = np.empty(n, np.int32), 0
    for i in range(n):
        if ring[ROOT, i] == i and ring[NEXT, i] != i:
            found[count] = i
            count += 1
    return found[:count]


def assign_camera(
    c: int, views: Views, clusters: Ints, bodies: Array, person: Ints, ambiguity: Array, members: Ints
) -> None:
    """Assign the detections of one camera to the clusters, and tell how sure that is."""
    rays, camera, centres, motion = views
    cost, n = np.empty((len(camera), len(clusters))), 0
    for i in range(len(camera)):
        if camera[i] == c:
            for k in range(len(clusters)):
                cost[n, k] = fit_cost(rays[i], centres[c], motion[i] * motion[i], bodies[clusters[k]])
            members[n] = i
            n += 1
    if n == 0:
        return
    column = np.empty(n, np.int32)
    solve(cost[:n].copy(), np.full(n, FIT_GATE), column)
    for r in range(n):
        person[members[r]] = column[r]
        ambiguity[members[r]] = doubt(cost[:n], r, column[r], FIT_GATE)


def regroup(views: Views, clusters: Ints, ring: Ints, bodies: Array, person: Ints, members: Ints) -> None:
    """Make the detections that each cluster was assigned its members, and clusters that have become one, one."""
    n = len(person)
    kept, roots, work = 0, np.empty(len(clusters), np.int32), np.empty((len(clusters), BODY))
    for i in range(n):
        ring[NEXT, i] = ring[ROOT, i] = i
    for k in range(len(clusters)):
        count = 0
        for i in range(n):
            if person[i] == k:
                members[count] = i
                count += 1
        if count < 2:
            continue
        fit(views, members[:count], rows_of(bodies[clusters[k]])[:3], work[kept])
        for m in range(count):
            ring[NEXT, members[m]] = members[(m + 1) % count]
            ring[ROOT, members[m]] = members[0]
        roots[kept] = members[0]
        kept += 1
    for k in range(kept):
        bodies[roots[k]] = work[k]
    for k in range(kept):
        for m in range(k + 1, kept):
            a, b = ring[ROOT, roots[k]], ring[ROOT, roots[m]]
            if a != b:
                join(a, b, views, ring, bodies, members)


def match(
    sightings: Array,
    camera: Ints,
    centres_m: Array,
    motion_m: Array,
    people_m: Array,
    edge_room: int,
    person: Ints,
    ambiguity: Array,
    bodies: Array,
) -> int:
    """Write the person of each detection and the bodies; return how many, or -1 if `edge_room` is too small."""
    n = len(camera)
    rays, work, ring = np.empty((n, RAY, 8)), np.zeros((n, BODY)), np.empty((2, n), np.int32)
    members = np.empty(n, np.int32)
    person[:] = -1
    ambiguity[:] = 0.0
    for i in range(n):
        aim(sightings[i], centres_m[camera[i]], people_m, rays[i])
        ring[NEXT, i] = ring[ROOT, i] = i
    views = rays, camera, centres_m, motion_m
    count, edges = find_edges(views, people_m, edge_room)
    if count < 0:
        return TOO_MANY_EDGES
    for e in range(count):
        a, b = ring[ROOT, edges[e, 0]], ring[ROOT, edges[e, 1]]
        if a != b:
            join(a, b, views, ring, work, members)
    for _ in range(ROUNDS):
        clusters = list_clusters(ring)
        for c in range(len(centres_m)):
            assign_camera(c, views, clusters, work, person, ambiguity, members)
        regroup(views, clusters, ring, work, person, members)
    person[:] = -1
    found = 0
    for first in list_clusters(ring):
        if is_body(work[first], people_m):
            _, count = list_members(first, -1, camera, ring, members)
            for m in range(count):
                person[members[m]] = found
            bodies[found] = work[first]
            found += 1
    return found


COMPILED = (
    "count_support",
    "find_edges",
    "list_members",
    "fit",
    "merged",
    "doubt",
    "join",
    "list_clusters",
    "assign_camera",
    "regroup",
    "match",
)  # fmt: skip
