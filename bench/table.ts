/** Figures as a table of Markdown, so that it can be read here and kept in docs/performance.md. */
import type { Measured, Sheet } from './harness.js'

export function tableOf({ work, figures }: Measured): string {
  const peers = figures.slice(0, work.peers ?? 1)
  const head = [work.title, 'ms (median)', 'ms (least to most)', 'CPU ms', ...(work.operations === undefined ? [] : ['per second']), ...peers.map((peer) => `× ${peer.contender}`)]
  const rows = figures.map(({ contender, times, median, cpu }) => [
    contender,
    rounded(median),
    `${rounded(Math.min(...times))} to ${rounded(Math.max(...times))}`,
    rounded(cpu),
    ...(work.operations === undefined ? [] : [rounded((work.operations / median) * 1000)]),
    ...peers.map((peer) => (peer.median / median).toFixed(2)),
  ])
  return table(head, rows)
}

export async function tableOfSheet({ head, rows }: Sheet): Promise<string> {
  return table(head, await rows())
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

/** Three digits that count. */
function rounded(value: number): string {
  return value >= 100 || value === 0 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
