import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RawServer extends AsyncDisposable {
  origin: string
  /** Method and raw target of each request. */
  requests: { method: string; target: string; headers: IncomingMessage['headers'] }[]
}

/** A server that answers as the test likes, to see how a store takes it. */
export async function rawServer(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void): Promise<RawServer> {
  const requests: RawServer['requests'] = []
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers })
    answer(request, response, requests.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
