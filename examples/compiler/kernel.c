// Multiplies matrices block by block, and prints a checksum of whole numbers.
#include <stdio.h>
#include <stdlib.h>

#ifndef BLOCK
#define BLOCK 8
#endif
enum { N = 384 };
static int a[N][N], b[N][N], c[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j) % 13, b[i][j] = (i + j * 5) % 11;
    for (int ii = 0; ii < N; ii += BLOCK)
        for (int kk = 0; kk < N; kk += BLOCK)
            for (int jj = 0; jj < N; jj += BLOCK)
                for (int i = ii; i < ii + BLOCK; i++)
                    for (int k = kk; k < kk + BLOCK; k++)
                        for (int j = jj; j < jj + BLOCK; j++) c[i][j] += a[i][k] * b[k][j];
    long sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) sum += (long)c[i][j] * (i ^ j);
    printf("%ld\n", sum);
    return 0;
}
