/** Figures as a table of Markdown, so that it can be read here and kept in docs/performance.md. */
import type { Measured } from './harness.js'

export function tableOf({ work, figures }: Measured): string {
  const first = figures[0]?.contender ?? ''
  const head = [work.title, 'ms (median)', 'ms (least to most)', 'CPU ms', ...(work.operations === undefined ? [] : ['per second']), `× ${first}`]
  const rows = figures.map(({ contender, times, median, cpu, ratio }) => [
    contender,
    rounded(median),
    `${rounded(Math.min(...times))} to ${rounded(Math.max(...times))}`,
    rounded(cpu),
    ...(work.operations === undefined ? [] : [rounded((work.operations / median) * 1000)]),
    ratio.toFixed(2),
  ])
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

/** Three digits that count. */
function rounded(value: number): string {
  return value >= 100 || value === 0 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
