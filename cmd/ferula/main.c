/* main.c - the ferula server program. */
#include <stdio.h>

int main(void)
{
    fputs("ferula: the server is not wired up yet\n", stderr);
    return 1;
}
