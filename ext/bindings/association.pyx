# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/association.hpp; the arguments are those of fusion.reference.association."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t

import numpy as np


cdef extern from "association.hpp" namespace "fusion" nogil:
    cdef struct AssociationSettings:
        double reach_sigma_m, bystander_m, track_miss
        double wrong_mass, wrong_factor, mass_spread, lightest_g, heaviest_g
        double cross_talk, overhang, null, echo, more_units
        double coincidence, returning, misplacing, stray, foreign, negligible
        int32_t max_units

    ctypedef struct Part:
        int32_t shopper, product, quantity, place

    ctypedef struct Item:
        int32_t product, place, known

    cdef struct Event:
        const double *delta_g
        const double *sigma_g
        size_t n
        const uint8_t *inside
        const int32_t *facing_product
        size_t facings
        const double *hands
        size_t shoppers

    cdef struct Explanations:
        Part (*parts)[2]
        double *log_score
        size_t capacity, n
        double best

    cdef struct Boxes:
        const int32_t *place_start
        size_t places
        const double (*center)[3]
        const double (*axes)[3][3]
        const double (*half)[3]

    void c_hand "fusion::hand_log_likelihood"(const double *, size_t, size_t, size_t, const Boxes &,
                                              const AssociationSettings &, double *)
    double c_echo "fusion::log_echo"(const double *, const double *, const double *, const double *, size_t, double,
                                     const AssociationSettings &)
    void c_explain "fusion::explain"(const Event &, const double *, const uint8_t *, size_t,
                                     const AssociationSettings &, Item *, Explanations &)


cdef AssociationSettings unpack(s) except *:
    return AssociationSettings(
        reach_sigma_m=s.reach_sigma_m, bystander_m=s.bystander_m, track_miss=s.track_miss,
        wrong_mass=s.wrong_mass, wrong_factor=s.wrong_factor, mass_spread=s.mass_spread, lightest_g=s.lightest_g, heaviest_g=s.heaviest_g,
        cross_talk=s.cross_talk, overhang=s.overhang, null=s.null, echo=s.echo, more_units=s.more_units,
        coincidence=s.coincidence, returning=s.returning, misplacing=s.misplacing, stray=s.stray,
        foreign=s.foreign, negligible=s.negligible, max_units=s.max_units,
    )


def hand_log_likelihood(const double[:, :, :, ::1] hands, const int32_t[::1] place_start, const double[:, ::1] center,
                        const double[:, :, ::1] axes, const double[:, ::1] half, s):
    cdef AssociationSettings settings = unpack(s)
    cdef Boxes boxes
    cdef double[:, ::1] result = np.empty((hands.shape[1], place_start.shape[0] - 1))
    boxes.place_start = &place_start[0]
    boxes.places = place_start.shape[0] - 1
    boxes.center = <const double (*)[3]> (&center[0, 0] if center.shape[0] else NULL)
    boxes.axes = <const double (*)[3][3]> (&axes[0, 0, 0] if axes.shape[0] else NULL)
    boxes.half = <const double (*)[3]> (&half[0, 0] if half.shape[0] else NULL)
    cdef const double *first = &hands[0, 0, 0, 0] if hands.size else NULL
    if result.size:
        with nogil:
            c_hand(first, hands.shape[0], hands.shape[1], hands.shape[2], boxes, settings, &result[0, 0])
    return np.asarray(result)


def explain(const double[::1] delta_g, const double[::1] sigma_g, const uint8_t[:, ::1] inside,
            const int32_t[::1] facing_product, const double[:, ::1] hands, const double[::1] mass_g,
            const uint8_t[::1] present, int32_t[:, :, ::1] parts, double[::1] log_score, s):
    cdef AssociationSettings settings = unpack(s)
    cdef Event event
    cdef Explanations out
    cdef int32_t[:, ::1] items = np.empty((facing_product.shape[0] + mass_g.shape[0] + 1, 3), np.int32)
    event.delta_g = &delta_g[0]
    event.sigma_g = &sigma_g[0]
    event.n = delta_g.shape[0]
    event.inside = &inside[0, 0]
    event.facing_product = &facing_product[0] if facing_product.shape[0] else NULL
    event.facings = facing_product.shape[0]
    event.hands = &hands[0, 0] if hands.shape[0] else NULL
    event.shoppers = hands.shape[0]
    out.parts = <Part (*)[2]> &parts[0, 0, 0]
    out.log_score = &log_score[0]
    out.capacity = parts.shape[0]
    out.n = 0
    out.best = 0.0
    cdef const double *mass = &mass_g[0] if mass_g.shape[0] else NULL
    cdef const uint8_t *here = &present[0] if present.shape[0] else NULL
    with nogil:
        c_explain(event, mass, here, mass_g.shape[0], settings, <Item *> &items[0, 0], out)
    return out.n


def log_echo(const double[::1] delta_g, const double[::1] sigma_g, const double[::1] earlier_g,
             const double[::1] earlier_sigma_g, double null, s):
    cdef AssociationSettings settings = unpack(s)
    return c_echo(&delta_g[0], &sigma_g[0], &earlier_g[0], &earlier_sigma_g[0], delta_g.shape[0], null, settings)
