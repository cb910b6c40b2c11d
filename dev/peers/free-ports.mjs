/* node free-ports.mjs N: prints N free ports of 127.0.0.1 on one line. */
import { createServer } from 'node:net'

const open = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
})
const servers = await Promise.all(Array.from({ length: Number(process.argv[2]) }, open))
console.log(servers.map((server) => server.address().port).join(' '))
for (const server of servers) server.close()
