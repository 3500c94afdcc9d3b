// Portkey's gateway in as many processes as it is told, all on one port: its own server has one process, and those
// who need more run more of it behind a balancer, which is what Node's cluster module is here.
//
//     node workers.mjs SERVER WORKERS --port=PORT …
import cluster from "node:cluster";
import { pathToFileURL } from "node:url";

const [server, workers] = process.argv.slice(2);
if (cluster.isPrimary && Number(workers) > 1) {
  for (let worker = 0; worker < Number(workers); worker += 1) {
    cluster.fork();
  }
} else {
  await import(pathToFileURL(server));
}
