/* main.c - ferulatool, Ferula's promtool. */
#include <stdio.h>

int main(void)
{
    fputs("ferulatool: no commands yet\n", stderr);
    return 2;
}
