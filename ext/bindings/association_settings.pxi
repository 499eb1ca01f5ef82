# AssociationSettings for the bindings of the association: the fields of fusion.AssociationSettings.

from libc.stdint cimport int32_t

cdef extern from "association.hpp" namespace "fusion" nogil:
    cdef struct AssociationSettings:
        double reach_sigma_m, bystander_m, miss_sigma_m, track_miss, track_swap
        double mass_spread, wrong_mass, wrong_factor, lightest_g, heaviest_g
        double cross_talk, overhang, null, doubted, echo, echo_sigma_g, more_units, more_restocked
        double coincidence, returning, misplacing, stray, foreign, handing_over, negligible
        int32_t max_units, max_restocked


cdef AssociationSettings unpack(s) except *:
    cdef AssociationSettings c
    c.reach_sigma_m, c.bystander_m, c.miss_sigma_m, c.track_miss, c.track_swap = s[:5]
    c.mass_spread, c.wrong_mass, c.wrong_factor, c.lightest_g, c.heaviest_g = s[5:10]
    c.cross_talk, c.overhang, c.null, c.doubted, c.echo, c.echo_sigma_g = s[10:16]
    c.more_units, c.more_restocked, c.coincidence, c.returning, c.misplacing = s[16:21]
    c.stray, c.foreign, c.handing_over, c.negligible = s[21:25]
    c.max_units, c.max_restocked = s[25:27]
    return c
