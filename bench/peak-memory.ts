import { readFileSync } from 'node:fs'

/**
 * The peak of this process's resident memory in MB. Linux hands the `maxRSS` of a process on to those that it starts, so there it
 * is read from what the system says of the memory of this program alone.
 */
export function peakMemory(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (kilobytes === undefined) throw new Error('the system does not say how much memory this process took (VmHWM)')
  return Number(kilobytes) / 1024
}
