/* node free-ports.mjs N: prints N free ports of 127.0.0.1 on one line. */
import { once } from 'node:events'
import { createServer } from 'node:net'

const servers = Array.from({ length: Number(process.argv[2]) }, () => createServer().listen(0, '127.0.0.1'))
await Promise.all(servers.map((server) => once(server, 'listening')))
const ports = servers.map((server) => {
  const address = server.address()
  server.close()
  return typeof address === 'object' ? address?.port : address
})
console.log(ports.join(' '))
