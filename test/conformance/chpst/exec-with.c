/* exec-with ENTRY... -- PROGRAM ARGUMENT...: runs the program with exactly these entries as its environment, whether
 * they are variables or not. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    for (int i = 1; i < count - 1; i++) {
        if (strcmp(arguments[i], "--") != 0) continue;
        arguments[i] = 0;
        execve(arguments[i + 1], arguments + i + 1, arguments + 1);
        perror(arguments[i + 1]);
        return 99;
    }
    return 98;
}
