/* Triangulation: cameras, lenses, and points from their images (fusion.triangulate, project, unproject). */
#ifndef FUSION_TRIANGULATION_H
#define FUSION_TRIANGULATION_H

#include "fusion_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A calibration in OpenCV's terms. */
typedef struct fusion_calibration {
    double fx, fy, cx, cy, skew; /* intrinsic matrix [[fx, skew, cx], [0, fy, cy], [0, 0, 1]], px */
    double rotation[9];          /* world to camera */
    double translation_m[3];     /* x_camera = rotation x_world + translation, m */
    double distortion[14];       /* k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], tilts in rad; or k1 k2 k3 k4 */
    int32_t coefficients;        /* of distortion: 0, 4, 5, 8, 12 or 14; of a fisheye 0 or 4 */
    int32_t fisheye;             /* 0: pinhole; 1: Kannala & Brandt's fisheye */
} fusion_calibration;

/* A camera as the kernels want it, made by fusion_camera_init: holds no addresses. */
typedef struct fusion_camera {
    double numbers[49];
} fusion_camera;

/* What is wrong with a point; 0 is fine, bits combine (fusion.triangulation.Status). */
enum fusion_point_status {
    FUSION_TOO_FEW_VIEWS = 1,   /* fewer than two usable images; NaN */
    FUSION_SMALL_PARALLAX = 2,  /* the rays hardly fix the point, or not at all: NaN */
    FUSION_BEHIND_CAMERA = 4,   /* the rays meet behind a camera; NaN */
    FUSION_NOT_CONVERGED = 8,   /* the best point so far */
    FUSION_LARGE_RESIDUAL = 16, /* images disagree more than once in a thousand points */
    FUSION_BEYOND_LENS = 32,    /* an image where the lens shows nothing was left out */
    FUSION_OUTLIER = 64         /* images that disagree were left out */
};

typedef struct fusion_point {
    double xyz_m[3];         /* m, from the origin that the cameras were made with */
    double covariance_m2[9]; /* m^2 */
    double rms_px;           /* root of the mean squared distance between images and reprojections, px */
    double chord;            /* largest distance between two unit rays: 2 sin(parallax / 2) */
    int32_t views;           /* images used */
    int32_t status;          /* fusion_point_status */
} fusion_point;

/* Make a camera. Lengths are counted from origin_m (3, m), NULL for the world's own: near the cameras, digits are kept.
 */
int fusion_camera_init(fusion_camera* camera, const fusion_calibration* calibration, const double* origin_m);

/* Bytes of scratch for any number of points seen by so many cameras, 1 to 4096. */
int fusion_triangulation_size(int32_t views, size_t* bytes);

/* Solve points from their images: px (points, views, 2), NaN where missing; sigma_px (points, views), or one number for
 * all if `sigmas` is 1. Where `rejection` is above 0, images that noise alone puts so far off with that probability
 * (1e-6 as a rule) are left out. `found` has room for all points, `inliers` (points, views) is 1 for an image that was
 * used, or NULL. */
int fusion_triangulate(const fusion_camera* cameras, int32_t views, const double* px, const double* sigma_px,
                       size_t sigmas, size_t points, double rejection, fusion_point* found, uint8_t* inliers,
                       void* scratch, size_t bytes);

/* Pixels (points, views, 2) of xyz_m (points, 3); NaN where a camera has no image. */
int fusion_project(const fusion_camera* cameras, int32_t views, const double* xyz_m, size_t points, double* px);

/* Unit rays (points, views, 3) of px (points, views, 2) in each camera's own frame, and how far their images lie from
 * the pixels, px (points, views); NaN where the lens shows nothing. */
int fusion_undistort(const fusion_camera* cameras, int32_t views, const double* px, size_t points, double* rays,
                     double* residual_px);

#ifdef __cplusplus
}
#endif

#endif
