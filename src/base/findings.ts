/**
 * How bad a finding is. `error`: something is lost, unreachable or wrong. `warning`: everything can be read, but something
 * should be put right. `note`: harmless; it is said so that nobody wonders.
 */
export type Severity = 'error' | 'warning' | 'note'

/** What every finding of a checker has. Its facts are fields beside these. */
export interface FindingBase {
  /** Stable; for programs. */
  readonly kind: string
  readonly severity: Severity
  /** What it means and what to do, for people. */
  readonly advice: string
}

/** Collects findings, up to a limit: a damaged thing may have more than anybody reads. */
export class FindingList<F extends FindingBase> {
  readonly findings: F[] = []
  /** How many came after the limit was reached. */
  omitted = 0
  /** How many there are of each severity, the omitted ones included. */
  readonly count: Record<Severity, number> = { error: 0, warning: 0, note: 0 }
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  add(finding: F): void {
    this.count[finding.severity]++
    if (this.findings.length < this.#limit) this.findings.push(finding)
    else this.omitted++
  }
}

/** The most findings that are kept unless another number is asked for. */
export const DEFAULT_MAX_FINDINGS = 1000
