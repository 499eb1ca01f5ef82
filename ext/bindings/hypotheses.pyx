# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/hypotheses.hpp; the arguments are those of fusion.reference.hypotheses."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint64_t

import numpy as np


cdef extern from "hypotheses.hpp" namespace "fusion" nogil:
    cdef struct AssociationSettings:
        double returning, misplacing, stray, foreign, negligible

    ctypedef struct Part:
        int32_t shopper, product, quantity, place

    ctypedef struct Record:
        int32_t owner, product, quantity

    ctypedef struct Branch:
        double value
        int32_t hypothesis, explanation

    cdef struct Explanations:
        Part (*parts)[2]
        double *log_score
        size_t capacity, n

    cdef struct Hypotheses:
        double *weight
        int32_t *count
        Record *records
        size_t n, stride

    cdef struct Scene:
        const int32_t *plates
        size_t n
        int32_t main_plate, products, facings

    cdef struct UpdateRoom:
        int32_t *order
        Branch *branches
        Record *trial
        uint64_t *prints

    size_t c_update "fusion::update"(const Hypotheses &, const double *, const Explanations &, const Scene &,
                                     const AssociationSettings &, UpdateRoom, Hypotheses &, double *, double *)
    size_t c_forget "fusion::forget"(int32_t, Hypotheses &, Record *, uint64_t *, double *)


cdef Hypotheses view(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records) noexcept:
    cdef Hypotheses h
    h.weight = &weight[0]
    h.count = &count[0]
    h.records = <Record *> &records[0, 0, 0]
    h.n = weight.shape[0]
    h.stride = records.shape[1]
    return h


def update(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, const double[::1] echo,
           int32_t[:, :, ::1] parts, double[::1] log_score, const int32_t[::1] plates, int32_t main_plate,
           int32_t products, int32_t facings,
           double[::1] new_weight, int32_t[::1] new_count, int32_t[:, :, ::1] new_records, double[:, ::1] share,
           double[:, ::1] chosen, s):
    cdef AssociationSettings settings
    settings.returning, settings.misplacing, settings.stray = s.returning, s.misplacing, s.stray
    settings.foreign, settings.negligible = s.foreign, s.negligible
    cdef Hypotheses old = view(weight, count, records), new = view(new_weight, new_count, new_records)
    cdef Explanations explanations
    explanations.parts = <Part (*)[2]> &parts[0, 0, 0]
    explanations.log_score = &log_score[0]
    explanations.capacity = explanations.n = parts.shape[0]
    cdef Scene scene
    scene.plates, scene.n, scene.main_plate = &plates[0], plates.shape[0], main_plate
    scene.products, scene.facings = products, facings
    cdef int32_t[::1] order = np.empty(parts.shape[0], np.int32)
    cdef double[:, ::1] branches = np.empty((weight.shape[0] * (parts.shape[0] + 1), 2))
    cdef int32_t[:, ::1] trial = np.empty((records.shape[1], 3), np.int32)
    cdef uint64_t[::1] prints = np.empty(new_weight.shape[0], np.uint64)
    cdef UpdateRoom room
    room.order, room.branches = &order[0], <Branch *> &branches[0, 0]
    room.trial, room.prints = <Record *> &trial[0, 0], &prints[0]
    cdef size_t kept
    with nogil:
        kept = c_update(old, &echo[0], explanations, scene, settings, room, new, &share[0, 0], &chosen[0, 0])
    return kept


def forget(int32_t owner, double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, double[:, ::1] share):
    cdef Hypotheses hypotheses = view(weight, count, records)
    cdef int32_t[:, ::1] trial = np.empty((records.shape[1], 3), np.int32)
    cdef uint64_t[::1] prints = np.empty(weight.shape[0], np.uint64)
    cdef size_t kept
    with nogil:
        kept = c_forget(owner, hypotheses, <Record *> &trial[0, 0], &prints[0], &share[0, 0])
    return kept
