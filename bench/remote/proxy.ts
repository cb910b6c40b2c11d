/** A TCP proxy that makes a fast network a slow one: it adds delay, and bounds the bandwidth of all connections together. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'

export interface SlowLink {
  /** ms that every byte takes longer, there and back together: half of it in each direction. */
  delay: number
  /** Bytes per second in each direction, shared by all connections; Infinity: unbounded. */
  bandwidth: number
}

export interface Proxy {
  port: number
  close(): Promise<void>
}

/** @param target where connections go on to, on 127.0.0.1 */
export async function startProxy(target: number, link: SlowLink): Promise<Proxy> {
  const there = new Direction(link)
  const back = new Direction(link)
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => void (near.destroy(), far.destroy()))
    }
    there.carry(near, far)
    back.carry(far, near)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Bytes of one connection that may be on their way, so that a sender feels the bandwidth. */
const window = 4 * 1024 * 1024

/** One direction of the link: when a byte comes out again depends on all that went in before. */
class Direction {
  readonly #delay: number
  readonly #bytesPerMs: number
  /** When the link will have sent all that was given to it. */
  #free = 0
  /* Not a timer for each: timers of different lengths may fire out of order. */
  readonly #underWay: { due: number; then: () => void }[] = []
  #waiting = false

  constructor({ delay, bandwidth }: SlowLink) {
    this.#delay = delay / 2
    this.#bytesPerMs = bandwidth / 1000
  }

  carry(from: Socket, to: Socket): void {
    let underWay = 0
    from.on('data', (chunk) => {
      underWay += chunk.length
      if (underWay > window) from.pause()
      this.#send(chunk.length, () => {
        underWay -= chunk.length
        if (!to.destroyed) to.write(chunk)
        if (underWay <= window) from.resume()
      })
    })
    from.on('end', () => this.#send(0, () => to.end()))
    from.on('close', (failed) => {
      if (failed) to.destroy()
    })
  }

  #send(bytes: number, then: () => void): void {
    this.#free = Math.max(performance.now(), this.#free) + bytes / this.#bytesPerMs
    this.#underWay.push({ due: this.#free + this.#delay, then })
    this.#wait()
  }

  #wait(): void {
    const [next] = this.#underWay
    if (this.#waiting || next === undefined) return
    this.#waiting = true
    setTimeout(() => this.#arrive(), next.due - performance.now())
  }

  #arrive(): void {
    this.#waiting = false
    const now = performance.now()
    while ((this.#underWay[0]?.due ?? Infinity) <= now) this.#underWay.shift()!.then()
    this.#wait()
  }
}
