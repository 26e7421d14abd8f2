/* logarithm.h - logarithms and powers of two as Go computes them, bit for bit.
 *
 * The C library's are as good but differ now and then in the last bit, and so would quantiles of native
 * histograms. These use the reductions and minimax polynomials of fdlibm (e_log.c, e_exp.c; Sun
 * Microsystems, 1993), as Go's math package does on amd64.
 */
#ifndef FERULA_PROMQL_LOGARITHM_H
#define FERULA_PROMQL_LOGARITHM_H

double go_log(double v);
double go_log2(double v);
double go_log10(double v);
double go_exp2(double v);

#endif
