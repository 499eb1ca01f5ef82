"""Persons followed through the pictures of many cameras; what is solved and why stands in ``tracking.hpp``.

A crowd is what the caller keeps: tracks (T, 27, 8) of ``track_filter``, facts (T, 5), ambiguity (T,), leftovers (L, 10,
8) with their cameras and times (L,), and counts (5,): tracks, leftovers, next id, time of the last picture, refused.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.assignment_search import solve
from fusion.reference.joints import LIVE, Array, total
from fusion.reference.matching import doubt, match
from fusion.reference.rays import BODY, COVARIANCE, RAYS, rows_of
from fusion.reference.track_filter import (
    ARMS,
    CONFIRM,
    DOUBTFUL,
    JOIN,
    LOST,
    PEOPLE,
    REACH,
    REACHING,
    VV,
    WALKING,
    P,
    first_joint,
    pair_cost,
    predict,
    reachable,
    torso,
    update,
)

Ints: TypeAlias = NDArray[np.int32]
Longs: TypeAlias = NDArray[np.int64]
Crowd: TypeAlias = tuple[Array, Longs, Array, Array, Ints, Longs, Longs]

NEW = 24.0  # cost of a detection that no track has: the gate and a wide innovation
SAME_PERSON = 0.0225  # m^2: two middles of bodies nearer than 0.15 m are one person's
MEMORY = 0.25  # share of the last image in a track's ambiguity
HITS = 3  # images after its birth that a track needs to count
NANOSECOND = 1e-9
COUNT, LEFT, NEXT, NOW, REFUSED = range(5)
ID, BORN, SEEN, SEEN_TIMES, CONFIRMED = range(5)


def forget(crowd: Crowd, camera: int, now_ns: int, h: Array) -> None:
    """Forget tracks that were not seen for long, and leftovers too old to join."""
    tracks, facts, ambiguity, left, left_camera, left_ns, counts = crowd
    kept = 0
    for i in range(counts[COUNT]):
        unseen = (now_ns - facts[i, SEEN]) * NANOSECOND
        if unseen <= (h[LOST] if facts[i, CONFIRMED] else h[JOIN] + h[CONFIRM]):
            tracks[kept], facts[kept], ambiguity[kept] = tracks[i], facts[i], ambiguity[i]
            kept += 1
    counts[COUNT] = kept
    kept = 0
    for i in range(counts[LEFT]):
        age = (now_ns - left_ns[i]) * NANOSECOND
        if age <= h[JOIN] and left_camera[i] != camera:
            left[kept], left_camera[kept], left_ns[kept] = left[i], left_camera[i], left_ns[i]
            kept += 1
    counts[LEFT] = kept


def same_person(a: Array, b: Array) -> bool:
    """Return whether the middles of two bodies (3 or more rows, 8) are one person's."""
    x, y, z = torso(a[0]) - torso(b[0]), torso(a[1]) - torso(b[1]), torso(a[2]) - torso(b[2])
    return x * x + y * y + z * z < SAME_PERSON


def drop_twins(crowd: Crowd) -> None:
    """Of two tracks of one person drop the younger."""
    tracks, facts, ambiguity, _, _, _, counts = crowd
    kept = 0
    for i in range(counts[COUNT]):
        twin = False
        for k in range(kept):
            twin |= same_person(tracks[k], tracks[i])
        if not twin:
            tracks[kept], facts[kept], ambiguity[kept] = tracks[i], facts[i], ambiguity[i]
            kept += 1
    counts[COUNT] = kept


def take_in(crowd: Crowd, i: int, s: Array, centre: Array, now_ns: int, doubt: float, h: Array) -> None:
    """Take in the image of track `i`, if that it is one is clear."""
    tracks, facts, ambiguity, _, _, _, _ = crowd
    ambiguity[i] += (doubt - ambiguity[i]) * MEMORY
    facts[i, SEEN] = now_ns
    if doubt > h[DOUBTFUL]:
        return
    update(tracks[i], s, centre)
    facts[i, SEEN_TIMES] += 1
    if facts[i, SEEN_TIMES] >= HITS and (now_ns - facts[i, BORN]) * NANOSECOND >= h[CONFIRM]:
        facts[i, CONFIRMED] = 1


def assign_tracks(crowd: Crowd, seen: Array, centre: Array, now_ns: int, h: Array, track: Longs, doubts: Array) -> None:
    """Assign the detections of a picture to the tracks and take them in."""
    tracks, facts, _, _, _, _, counts = crowd
    n, count = len(seen), counts[COUNT]
    cost = np.full((n, count), np.inf)
    for d in range(n):
        joint = first_joint(seen[d])
        for i in range(count):
            if joint < 8 and reachable(tracks[i], seen[d], centre, joint, h[REACH]):
                cost[d, i] = pair_cost(tracks[i], seen[d], centre)
    column = np.empty(n, np.int32)
    if n > 0:
        solve(cost, np.full(n, NEW), column)
    for d in range(n):
        i = column[d]
        doubts[d] = doubt(cost, d, i, NEW)
        track[d] = -1 if i < 0 else facts[i, ID]
        if i >= 0:
            take_in(crowd, i, seen[d], centre, now_ns, doubts[d], h)


def keep_left(crowd: Crowd, seen: Array, camera: int, now_ns: int, track: Longs) -> None:
    """Keep the detections that no track has, for other cameras to confirm."""
    _, _, _, left, left_camera, left_ns, counts = crowd
    for d in range(len(seen)):
        if track[d] >= 0 or total(seen[d, LIVE]) < 2.0:
            continue
        k = counts[LEFT]
        if k == len(left):
            counts[REFUSED] += 1
            continue
        left[k], left_camera[k], left_ns[k] = seen[d], camera, now_ns
        counts[LEFT] += 1


def start_track(crowd: Crowd, body: Array, now_ns: int, h: Array) -> None:
    """Begin a track, unless there is one of the same person."""
    tracks, facts, ambiguity, _, _, _, counts = crowd
    b = rows_of(body)
    for i in range(counts[COUNT]):
        if same_person(tracks[i], b):
            return
    i = counts[COUNT]
    if i == len(tracks):
        counts[REFUSED] += 1
        return
    somewhere, moved = h[REACH] * h[REACH] / 9.0, h[WALKING] * h[JOIN]
    t = tracks[i]
    t[:] = 0.0
    for j in range(8):
        fixed = b[RAYS, j] > 1.0
        for k in range(3):
            t[k, j] = b[k, j]
        for k in range(6):
            on_axis = k == 0 or k == 3 or k == 5
            if fixed:
                t[P + k, j] = b[COVARIANCE + k, j] + moved * moved if on_axis else b[COVARIANCE + k, j]
            else:
                t[P + k, j] = somewhere if on_axis else 0.0
            if on_axis:
                t[VV + k, j] = h[WALKING] * h[WALKING] + (h[REACHING] * h[REACHING] if j >= ARMS else 0.0)
    facts[i, ID], facts[i, BORN], facts[i, SEEN] = counts[NEXT], now_ns, now_ns
    facts[i, SEEN_TIMES] = facts[i, CONFIRMED] = 0
    ambiguity[i] = 0.0
    counts[COUNT] += 1
    counts[NEXT] += 1


def start_tracks(crowd: Crowd, centres: Array, now_ns: int, h: Array) -> None:
    """Match the leftovers of all cameras; persons become tracks, and their leftovers go."""
    _, _, _, left, left_camera, left_ns, counts = crowd
    n = counts[LEFT]
    motion = np.empty(n)
    for i in range(n):
        motion[i] = h[WALKING] * ((now_ns - left_ns[i]) * NANOSECOND)
    person, doubts, bodies = np.empty(n, np.int32), np.empty(n), np.zeros((n, BODY))
    room = n * (n - 1) // 2
    found = match(left[:n], left_camera[:n], centres, motion, h[PEOPLE:], room, person, doubts, bodies)
    for k in range(found):
        start_track(crowd, bodies[k], now_ns, h)
    kept = 0
    for i in range(n):
        if person[i] < 0:
            left[kept], left_camera[kept], left_ns[kept] = left[i], left_camera[i], left_ns[i]
            kept += 1
    counts[LEFT] = kept


def step(
    tracks: Array,
    facts: Longs,
    ambiguity: Array,
    left: Array,
    left_camera: Ints,
    left_ns: Longs,
    counts: Longs,
    sightings: Array,
    camera: int,
    now_ns: int,
    centres_m: Array,
    habits: Array,
    track: Longs,
    doubt: Array,
) -> None:
    """Take in one picture; the crowd's arrays change in place, `track` and `doubt` tell of each detection."""
    crowd = tracks, facts, ambiguity, left, left_camera, left_ns, counts
    forget(crowd, camera, now_ns, habits)
    dt = (now_ns - counts[NOW]) * NANOSECOND
    for i in range(counts[COUNT]):
        predict(tracks[i], dt, habits)
    counts[NOW] = now_ns
    assign_tracks(crowd, sightings, centres_m[camera], now_ns, habits, track, doubt)
    drop_twins(crowd)
    before = counts[LEFT]
    keep_left(crowd, sightings, camera, now_ns, track)
    if before > 0 and counts[LEFT] > before:
        start_tracks(crowd, centres_m, now_ns, habits)


COMPILED = (
    "forget",
    "same_person",
    "drop_twins",
    "take_in",
    "assign_tracks",
    "keep_left",
    "start_track",
    "start_tracks",
    "step",
)  # fmt: skip
