/* A library that is loaded and unloaded while the program runs; also built with OpenMP. */
#include <stdlib.h>
int parallel(int n) { int sum = 0;
#ifdef _OPENMP
_Pragma("omp parallel for reduction(+:sum)")
#endif
	for (int i = 0; i < n; i++) { int *volatile p = malloc(64); *p = i % 7; sum += *p; free(p); } return sum; }
void *make(int n) { int *p = malloc(sizeof *p); *p = n; return p; }
