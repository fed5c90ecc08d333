// A web server that ends when it is told to, after the answers it has begun.
import { createServer } from "node:http";

const server = createServer((_request, response) => response.end("hello from node\n"));
const port = Number(process.env.PORT);
server.listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));
process.on("SIGTERM", () => server.close(() => process.exit()));
