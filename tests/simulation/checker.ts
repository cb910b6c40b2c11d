/** Somebody who checks and sweeps the remote among all the others. What it may delete the world watches. */
import { fsckRemote, StoreConnection, type FsckReport } from '../../src/index.js'
import type { Stage } from './actor.js'
import { checkError } from './expected-errors.js'
import { checkerNumber, type Step } from './plan.js'
import { Process } from './process.js'
import { dbKey, Violation } from './world.js'

/** ms. No push takes so long from its first upload to its commit, whatever happens to it. Where nobody breaks the lock of the living, none is under way during a sweep. */
const longestPush = 300_000

export class Checker {
  readonly number = checkerNumber
  readonly #stage: Stage
  process: Process
  #widowed = false

  constructor(stage: Stage) {
    this.#stage = stage
    this.process = this.#newProcess()
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { timeline, world } = this.#stage
    for (const step of steps) {
      await timeline.sleep(step.wait)
      if (world.violation) return
      try {
        await this.#check(step)
      } catch (error) {
        world.violation ??= new Violation(`step ${step.id}, checker: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        return
      }
    }
  }

  async #check(step: Step): Promise<void> {
    const { process } = this
    process.reseed(step.id)
    process.calm = step.calm ?? false
    process.countdown = step.crash ?? Infinity
    const sweep = step.op === 'sweep'
    this.#say(`#${step.id} ${step.op}`)
    try {
      const report = await (sweep ? this.#sweep() : this.look({ deep: step.n < 0.5 }))
      if (report && !process.dead) this.#judge(step, report)
    } catch (error) {
      if (error instanceof Violation) throw error
      if (!process.dead) {
        this.#say(`  #${step.id} ${step.op}: ${String(error)}`)
        checkError(error)
      }
    }
    if (process.dead) {
      this.#say('  † died')
      this.#widowed ||= sweep
      this.process = this.#newProcess()
    } else process.countdown = Infinity
  }

  look(options: { deep?: boolean; sweep?: boolean; breakLocks?: 'all' | undefined }): Promise<FsckReport> {
    const { store, environment } = this.process
    const minAge = this.#stage.settings.lawless ? longestPush : 0
    return fsckRemote(new StoreConnection(store, dbKey), { minAge, environment, lockTimeout: 60_000, lockTiming: { poll: 4000 }, onWarning: () => undefined, ...options })
  }

  /* Under the lock, by the rules that writers keep. */
  async #sweep(): Promise<FsckReport | undefined> {
    const { settings, writers } = this.#stage
    if (this.#stage.breaking) return undefined
    const allowed = settings.lawless || ![...writers].some((other) => other !== this)
    const breaking = this.#widowed && allowed
    writers.add(this)
    if (breaking && !settings.lawless) this.#stage.breaking = true
    try {
      const report = await this.look({ sweep: true, breakLocks: breaking ? 'all' : undefined })
      this.#widowed = false
      return report
    } finally {
      if (breaking) this.#stage.breaking = false
      writers.delete(this)
    }
  }

  #judge(step: Step, report: FsckReport): void {
    const { counts } = this.#stage
    counts.set(`${step.op} ok`, (counts.get(`${step.op} ok`) ?? 0) + 1)
    counts.set('swept', (counts.get('swept') ?? 0) + report.swept.objects)
    this.#say(`  ${step.op}: ${report.findings.map(({ kind }) => kind).join()} swept ${report.swept.objects}`)
    const wrong = report.findings.find(({ severity, kind }) => severity === 'error' && kind !== 'torn-teardown')
    if (wrong) throw new Violation(`it finds damage where there is none: ${JSON.stringify(wrong)}`)
  }

  #newProcess(): Process {
    const { settings, timeline, server, world, log } = this.#stage
    return new Process({ settings, timeline, server, world, skew: settings.checkerSkew, patient: true, log, onDeath: () => undefined })
  }

  #say(line: string): void {
    this.#stage.log(`${String(Math.round(this.#stage.timeline.now / 1000 - 1.7e12)).padStart(7)} checker: ${line}`)
  }
}
