# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/transfers.hpp; the arguments are those of fusion.reference.transfers."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

import numpy as np

include "records.pxi"


cdef extern from "transfers.hpp" namespace "fusion" nogil:
    ctypedef struct Move:
        int32_t giver, receiver, product

    ctypedef struct Passed:
        double value

    cdef struct Passing:
        const Move *moves
        const double *in_hand
        size_t n
        double from_basket, own_things, passing

    size_t c_transfer "fusion::transfer"(const Hypotheses &, const Passing &, double, Passed *, Record *, uint64_t *,
                                         Hypotheses &, double *, double *)


def transfer(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, const int32_t[:, ::1] moves,
             const double[::1] in_hand, double from_basket, double own_things, double passing, double negligible,
             double[::1] new_weight, int32_t[::1] new_count, int32_t[:, :, ::1] new_records, double[:, ::1] share,
             double[:, ::1] chosen):
    cdef Hypotheses old = view(weight, count, records), new = view(new_weight, new_count, new_records)
    cdef Passing all
    all.n = moves.shape[0]
    all.moves = <const Move *> &moves[0, 0] if all.n else NULL
    all.in_hand = &in_hand[0] if all.n else NULL
    all.from_basket, all.own_things, all.passing = from_basket, own_things, passing
    cdef int32_t[:, ::1] trial = np.empty((records.shape[1], 3), np.int32)
    cdef uint64_t[::1] prints = np.empty(new_weight.shape[0], np.uint64)
    cdef Passed *branches = <Passed *> malloc(old.n * (1 + all.n) * sizeof(Passed))
    if branches == NULL:
        raise MemoryError
    cdef size_t kept
    with nogil:
        kept = c_transfer(old, all, negligible, branches, <Record *> &trial[0, 0], &prints[0], new, &share[0, 0],
                          &chosen[0, 0])
        free(branches)
    return kept
