# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/association.hpp; the arguments are those of fusion.reference.association."""

from libc.stddef cimport size_t

import numpy as np

include "association_settings.pxi"


cdef extern from "association.hpp" namespace "fusion" nogil:
    cdef struct Boxes:
        const int32_t *place_start
        size_t places
        const double (*center)[3]
        const double (*axes)[3][3]
        const double (*half)[3]

    cdef struct HandPaths:
        const double *xyz
        const double *var
        const double *when
        size_t frames, shoppers, sides

    void c_hand "fusion::hand_log_likelihood"(const HandPaths &, const Boxes &, const AssociationSettings &, double *)
    cdef struct Sum:
        double total, var

    ctypedef struct Moved:
        int32_t product, units, place, lots_end

    ctypedef struct Known:
        double grams, var

    void c_lot_gains "fusion::lot_gains"(const Moved *, size_t, const Known *, const Known *, const double *, double,
                                         double *, const AssociationSettings &)
    double c_echo "fusion::log_echo"(Sum, Sum, double, const AssociationSettings &)


def hand_log_likelihood(const double[:, :, :, ::1] hands, const double[:, :, ::1] var, const double[::1] when,
                        const int32_t[::1] place_start, const double[:, ::1] center, const double[:, :, ::1] axes,
                        const double[:, ::1] half, s):
    cdef AssociationSettings settings = unpack(s)
    cdef Boxes boxes
    cdef HandPaths paths
    cdef double[:, ::1] result = np.empty((hands.shape[1], place_start.shape[0] - 1))
    boxes.place_start = &place_start[0]
    boxes.places = place_start.shape[0] - 1
    boxes.center = <const double (*)[3]> (&center[0, 0] if center.shape[0] else NULL)
    boxes.axes = <const double (*)[3][3]> (&axes[0, 0, 0] if axes.shape[0] else NULL)
    boxes.half = <const double (*)[3]> (&half[0, 0] if half.shape[0] else NULL)
    paths.xyz = &hands[0, 0, 0, 0] if hands.size else NULL
    paths.var = &var[0, 0, 0] if hands.size else NULL
    paths.when = &when[0] if hands.size else NULL
    paths.frames, paths.shoppers, paths.sides = hands.shape[0], hands.shape[1], hands.shape[2]
    if result.size:
        with nogil:
            c_hand(paths, boxes, settings, &result[0, 0])
    return np.asarray(result)


def log_echo(double total, double var, double earlier, double earlier_var, double null, s):
    cdef AssociationSettings settings = unpack(s)
    return c_echo(Sum(total=total, var=var), Sum(total=earlier, var=earlier_var), null, settings)


def lot_gains(const int32_t[:, ::1] moved, const double[:, ::1] sums, const double[:, ::1] lots,
              const double[::1] mass_g, double same, double[::1] gains, s):
    cdef AssociationSettings settings = unpack(s)
    if moved.shape[0]:
        with nogil:
            c_lot_gains(<const Moved *> &moved[0, 0], moved.shape[0], <const Known *> &sums[0, 0],
                        <const Known *> &lots[0, 0], &mass_g[0], same, &gains[0], settings)
