import type { S3Server } from '../s3-server/index.js'

/** Tells what happens, and after each chapter what it cost: requests, bytes, objects, seconds. */
export class Story {
  readonly #server: S3Server

  constructor(server: S3Server) {
    this.#server = server
    console.log(`An S3-compatible server runs at ${server.endpoint}`)
  }

  say(line: string): void {
    console.log(`  ${line}`)
  }

  bytes(count: number): string {
    return count < 10_000 ? `${count} bytes` : `${(count / 1000).toFixed(0)} kB`
  }

  async chapter(title: string, act: () => Promise<void>): Promise<void> {
    console.log(`\n${title}`)
    this.#server.clearLog()
    const start = performance.now()
    await act()
    const seconds = (performance.now() - start) / 1000
    const log = this.#server.log
    const count = new Map<string, number>()
    for (const { op } of log) count.set(op, (count.get(op) ?? 0) + 1)
    const up = log.reduce((sum, request) => sum + request.bytesUp, 0)
    const down = log.reduce((sum, request) => sum + request.bytesDown, 0)
    const kinds = [...count].map(([op, n]) => `${n} ${op}`).join(', ')
    console.log(`  → ${log.length} requests${kinds ? ` (${kinds})` : ''}; ${this.bytes(up)} up, ${this.bytes(down)} down; ${seconds.toFixed(2)} s`)
  }
}
