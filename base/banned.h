/* banned.h - calls that fail to compile: unbounded, locale-bound or not thread-safe.
 * Force-included for all our C files (meson.build). */
#ifndef FERULA_BASE_BANNED_H
#define FERULA_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atof
#pragma GCC poison gmtime localtime ctime asctime strerror

#endif
