/** Lines over two logarithmic axes, as SVG. */

export interface Line {
  name: string
  /** x, y; both above 0. */
  points: readonly (readonly [number, number])[]
}

const width = 720
const height = 440
const left = 70
const right = 190
const top = 40
const bottom = 50
const colours = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#8c564b', '#17becf']

export function logPlot(title: string, labels: { x: string; y: (value: number) => string }, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points)
  const x = axis(all.map(([value]) => value), left, width - right)
  const y = axis(all.map(([, value]) => value), height - bottom, top)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${left}" y="24" font-size="15">${title}</text>`,
    ...x.ticks.map((value) => `<line x1="${x.at(value)}" x2="${x.at(value)}" y1="${top}" y2="${height - bottom}" stroke="#ddd"/><text x="${x.at(value)}" y="${height - bottom + 18}" text-anchor="middle">${value.toLocaleString('en')}</text>`),
    ...y.ticks.map((value) => `<line x1="${left}" x2="${width - right}" y1="${y.at(value)}" y2="${y.at(value)}" stroke="#ddd"/><text x="${left - 8}" y="${y.at(value) + 4}" text-anchor="end">${labels.y(value)}</text>`),
    `<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">${labels.x}</text>`,
  ]
  const names = spread(lines.map(({ points }) => y.at(points.at(-1)![1])))
  for (const [i, { name, points }] of lines.entries()) {
    const colour = colours[i % colours.length]
    const places = points.map(([px, py]) => [x.at(px), y.at(py)] as const)
    parts.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(',')).join(' ')}"/>`)
    for (const [cx, cy] of places) parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`)
    parts.push(`<text x="${width - right + 10}" y="${names[i]! + 4}" fill="${colour}">${name}</text>`)
  }
  return `${[...parts, '</svg>'].join('\n')}\n`
}

/** Whole powers of ten that hold all values, and where they lie between two positions. */
function axis(values: readonly number[], from: number, to: number): { ticks: number[]; at: (value: number) => number } {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
  return { ticks, at: (value) => Math.round(from + ((Math.log10(value) - low) / (high - low)) * (to - from)) }
}

/** Moves positions apart, so that names don't lie on one another. */
function spread(positions: readonly number[], gap = 15): number[] {
  const placed = [...positions]
  const order = placed.map((_, i) => i).sort((a, b) => placed[a]! - placed[b]!)
  for (let k = 1; k < order.length; k++) placed[order[k]!] = Math.max(placed[order[k]!]!, placed[order[k - 1]!]! + gap)
  return placed
}
