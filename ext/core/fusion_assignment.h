/* Assignment: rows to columns, each at most once (fusion.assign, assign_sparse, k_best, assignment_marginals).
 *
 * Costs are +inf (forbidden) or below 1e300 in size. `miss` is what it costs to leave each row without a column; +inf,
 * or miss NULL, says that the row must have one, as far as there are enough. Sizes are at most FUSION_ASSIGNMENT_MOST;
 * scratch of a size does for smaller problems too. */
#ifndef FUSION_ASSIGNMENT_H
#define FUSION_ASSIGNMENT_H

#include "fusion_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FUSION_ASSIGNMENT_MOST 1048576
#define FUSION_MARGINAL_ROWS 8

int fusion_assign_size(int32_t rows, int32_t columns, size_t* bytes);

/* The cheapest assignment of each of `batch` problems: cost (batch, rows, columns), miss (batch, rows), column (batch,
 * rows), -1 for none. */
int fusion_assign(const double* cost, const double* miss, size_t batch, int32_t rows, int32_t columns, int32_t* column,
                  void* scratch, size_t bytes);

int fusion_assign_sparse_size(int32_t rows, int32_t columns, size_t* bytes);

/* The same for one problem in compressed sparse rows: those of row i are start[i] to start[i + 1] - 1 of cost and
 * index; what is not listed is forbidden. start has rows + 1 elements, from 0 to the number of entries. */
int fusion_assign_sparse(const double* cost, const int32_t* index, const int64_t* start, size_t entries,
                         const double* miss, int32_t rows, int32_t columns, int32_t* column, void* scratch,
                         size_t bytes);

int fusion_k_best_size(int32_t rows, int32_t columns, int32_t k, size_t* bytes);

/* Up to k assignments, cheapest first: column (k, rows), total (k); `found` of them. Every row whose miss is +inf has a
 * column in each. */
int fusion_k_best(const double* cost, const double* miss, int32_t rows, int32_t columns, int32_t k, int32_t* column,
                  double* total, int32_t* found, void* scratch, size_t bytes);

int fusion_assignment_marginals_size(int32_t rows, int32_t columns, size_t* bytes);

/* How probable each pairing is over all assignments of up to FUSION_MARGINAL_ROWS rows: weight (batch, rows, columns)
 * and miss (batch, rows) finite and not negative; probability (batch, rows, columns + 1), the last of no column;
 * log_total (batch), -inf where nothing is possible and probabilities are NaN. */
int fusion_assignment_marginals(const double* weight, const double* miss, size_t batch, int32_t rows, int32_t columns,
                                double* probability, double* log_total, void* scratch, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
