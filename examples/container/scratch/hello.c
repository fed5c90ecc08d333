// A web server of one text, to be linked statically. Executed as `check` it asks the one that runs.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask(int server) {
  char answer[64];
  return dprintf(server, "GET / HTTP/1.0\r\n\r\n") < 0 || read(server, answer, sizeof answer) <= 0;
}

int main(int argc, char **argv) {
  const char *port = getenv("PORT"), *text = getenv("TEXT");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
  const struct sockaddr *to = (const struct sockaddr *)&address;
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

  if (argc > 0 && strcmp(argv[0], "./check") == 0) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, to, sizeof address) != 0 || ask(fd);
  }
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, to, sizeof address) != 0 || listen(fd, 16) != 0) {
    perror("unable to listen");
    return 1;
  }
  printf("listening on port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    char request[1024];
    int client = accept(fd, NULL, NULL);
    if (client >= 0 && read(client, request, sizeof request) > 0)
      dprintf(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n%s\n", text ? text : "hello");
    close(client);
  }
}
