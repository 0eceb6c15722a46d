// Ports of 127.0.0.1 for servers that are stopped and started again on the same one. They lie below the range from which
// the system takes ports for outgoing connections, so that none of those sits on a server's port while it is away.
import net from "node:net";

const FIRST = 10_000;
const LAST = 32_000;
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

function isFree(port) {
  return new Promise((done) => {
    const server = net.createServer();
    server.once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

export async function freePort() {
  for (let tries = 0; tries < LAST - FIRST; tries++) {
    const port = (next = next >= LAST ? FIRST : next + 1); // others call this meanwhile
    if (await isFree(port)) return port;
  }
  throw new Error("no port is free");
}

// That many different ones.
export async function freePorts(count) {
  const ports = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}
