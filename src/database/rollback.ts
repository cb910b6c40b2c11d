/** What has to be undone when an open fails half-way, newest first. */
export class Rollback {
  readonly #steps: (() => void | Promise<void>)[] = []

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  /** Runs every step, also when one fails: the error that led here is the one to tell. */
  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch {
        // The next step matters more.
      }
    }
  }
}
