// The smallest web server that says what it does, and stops when it is told to.
import { createServer } from "node:http";

let served = 0;
const server = createServer((_request, response) => {
  response.end(`Hello from process ${process.pid}, visitor ${++served}.\n`);
});
server.listen(Number(process.env.DEMO_PORT ?? 0), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/ as process ${process.pid}`);
});
process.on("SIGTERM", () => {
  console.log("closing");
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
