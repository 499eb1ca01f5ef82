// Images that agree on a point, when some are wrong: every pair of views proposes a point, the best is refined.
//
// The loss is the squared whitened residual of an image, at most `gate` (MSAC; Torr & Zisserman 2000, "MLESAC"). Where
// the fit to all images leaves none beyond the gate, it stands. Else each pair's linear solution is scored against
// all images, in order and without random numbers; from the best, Gauss-Newton on the images within the gate and their
// choice alternate until the choice stays. Both lower the loss, so this ends.
// Assumes that a correct pair's point lies within the gate of most correct images. Cost: V^2 / 2 pairs, each about
// 60 + 25 V operations, for the points that need it.
#pragma once

#include "triangulation.hpp"

namespace fusion {

constexpr int kConsensusRounds = 20;  // two or three as a rule

// Loss of an image: where the point lies behind the camera, or nothing is finite, that of an outlier.
template <class V>
FUSION_INLINE V loss(const View<V>& v, const Vec3<V>& x, const V& gate) {
    const Vec3<V> ray = x - v.centre;
    const V d = depth(v, ray);
    const V r = 1.0 / d;
    const V e0 = dot(v.p0, ray) * r, e1 = dot(v.p1, ray) * r;
    const V e = e0 * e0 + e1 * e1;
    return select<V>(both(less(splat<V>(0.0), d), less(e, gate)), e, gate);
}

// Lanes in which an image lies beyond the gate of `x`.
template <class V>
FUSION_INLINE Mask<V> disagree(const View<V>* views, int n, const Vec3<V>& x, const V& gate) {
    Mask<V> result = never<V>();
    for (int i = 0; i < n; ++i) result = either(result, without(views[i].live, less(loss(views[i], x, gate), gate)));
    return result;
}

// The linear solution of the pair with the least loss over all images; false where no pair gives one.
template <class V>
FUSION_INLINE Mask<V> best_pair(const View<V>* views, int n, const V& gate, Vec3<V>& x) {
    const V zero = splat<V>(0.0), infinity = splat<V>(std::numeric_limits<double>::infinity());
    V least = infinity;
    x = {zero, zero, zero};
    for (int i = 0; i < n; ++i) {
        for (int j = 0; j < i; ++j) {
            const Mask<V> pair = both(views[i].live, views[j].live);
            if (!any(pair)) continue;
            Factor3<V> f;
            const Mask<V> definite = factorise(views[j].h + views[i].h, f);
            const Vec3<V> y = solve(f, views[j].g + views[i].g);
            V total = zero;
            for (int k = 0; k < n; ++k) total += select<V>(views[k].live, loss(views[k], y, gate), zero);
            const Mask<V> better = both(both(pair, definite), less(total, least));
            least = select<V>(better, total, least);
            x = select<V>(better, y, x);
        }
    }
    return less(least, infinity);
}

// Takes the equations of the views within the gate of `x`, zeros elsewhere; returns where the choice is not the one
// before.
template <class V>
FUSION_INLINE Mask<V> choose(const View<V>* views, int n, const Vec3<V>& x, const V& gate, View<V>* chosen, V& count) {
    const V zero = splat<V>(0.0), one = splat<V>(1.0);
    const Vec3<V> none{zero, zero, zero};
    Mask<V> changed = never<V>();
    count = zero;
    for (int i = 0; i < n; ++i) {
        const Mask<V> in = both(views[i].live, less(loss(views[i], x, gate), gate));
        changed = either(changed, either(without(in, chosen[i].live), without(chosen[i].live, in)));
        chosen[i].live = in;
        chosen[i].p0 = select<V>(in, views[i].p0, none);
        chosen[i].p1 = select<V>(in, views[i].p1, none);
        count += select<V>(in, one, zero);
    }
    return changed;
}

// The best point of the images that agree; false in the lanes where no two do.
template <class V>
FUSION_INLINE Mask<V> fit_consensus(const View<V>* views, int n, const V& gate, View<V>* chosen, V& count,
                                    Fit<V>& fit) {
    Mask<V> found = best_pair(views, n, gate, fit.x);
    Mask<V> open = found;
    fit.cost = fit.square = splat<V>(0.0);
    fit.factor = {fit.cost, fit.cost, fit.cost, fit.cost, fit.cost, fit.cost};
    fit.singular = fit.behind = fit.unfinished = never<V>();
    for (int i = 0; i < n; ++i) {
        chosen[i].axis = views[i].axis;
        chosen[i].variance = views[i].variance;
        chosen[i].live = never<V>();
        chosen[i].centre = views[i].centre;
        chosen[i].camera = views[i].camera;
    }
    for (int round = 0; round < kConsensusRounds; ++round) {
        open = both(open, choose(views, n, fit.x, gate, chosen, count));
        if (!any(open)) break;
        Fit<V> trial;
        trial.x = fit.x;
        refine(chosen, n, count, open, trial);
        const Mask<V> alone = less(count, splat<V>(2.0));
        const Mask<V> failed = both(open, either(alone, either(trial.singular, trial.behind)));
        found = without(found, failed);
        open = without(open, failed);
        fit.x = select<V>(open, trial.x, fit.x);
        fit.factor = select<V>(open, trial.factor, fit.factor);
        fit.cost = select<V>(open, trial.cost, fit.cost);
        fit.square = select<V>(open, trial.square, fit.square);
        fit.unfinished = either(without(fit.unfinished, open), both(open, trial.unfinished));
    }
    fit.unfinished = either(fit.unfinished, open);
    return both(found, at_most(splat<V>(2.0), count));
}

}  // namespace fusion
