/* logarithm.h - logarithms and powers of two as Go computes them, bit for bit.
 *
 * The C library's are as good but differ now and then in the last bit, and so would quantiles of native
 * histograms. These use the reductions and minimax polynomials of fdlibm (e_log.c, e_exp.c), as Go's math
 * package does on amd64. fdlibm: Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
 * Developed at SunSoft, a Sun Microsystems, Inc. business. Permission to use, copy, modify, and distribute
 * this software is freely granted, provided that this notice is preserved.
 */
#ifndef FERULA_PROMQL_LOGARITHM_H
#define FERULA_PROMQL_LOGARITHM_H

double go_log(double v);
double go_log2(double v);
double go_log10(double v);
double go_exp2(double v);

#endif
