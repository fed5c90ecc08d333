/* A runsv that supervises nothing: it notes its start and the signals it gets in the file named by RECORD.
 * TERM ends it, unless STUBBORN is set. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int record = -1;
static const char *name = "";
static int stubborn;

static void note(const char *what)
{
    char line[600];
    int length = snprintf(line, sizeof line - 1, "%s %d %s", what, (int)getpid(), name);
    for (int i = 0; i < length; i++)
        if (line[i] == '\n') line[i] = '?';
    line[length] = '\n';
    if (write(record, line, length + 1) < 0) _exit(3);
}
static void heard(int signal)
{
    note(signal == SIGTERM ? "TERM" : "HUP");
    if (signal == SIGTERM && !stubborn) _exit(0);
}

int main(int count, char **arguments)
{
    record = open(getenv("RECORD"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (record < 0) return 2;
    if (record < 100) {
        int moved = fcntl(record, F_DUPFD_CLOEXEC, 100);
        close(record);
        record = moved;
    }
    name = count > 1 ? arguments[1] : "";
    stubborn = getenv("STUBBORN") != 0;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = heard;
    sigfillset(&action.sa_mask);
    sigaction(SIGTERM, &action, 0);
    sigaction(SIGHUP, &action, 0);
    note("start");
    for (;;) pause();
}
