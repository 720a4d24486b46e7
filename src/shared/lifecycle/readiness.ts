/** The named tasks that must be done before a program calls itself ready. */
export class Readiness {
  readonly #pending = new Set<string>()
  readonly #watchers = new Set<() => void>()

  /** Adds a task that is not done yet. */
  add(task: string): void {
    this.#pending.add(task)
    this.#tell()
  }

  done(task: string): void {
    this.#pending.delete(task)
    this.#tell()
  }

  get isReady(): boolean {
    return this.#pending.size === 0
  }

  /** Names of what is missing, sorted. */
  get pending(): readonly string[] {
    return [...this.#pending].sort()
  }

  /** Called after each change of what is pending. */
  onChanged(changed: () => void): void {
    this.#watchers.add(changed)
  }

  /** Resolves as soon as nothing is pending. */
  whenReady(): Promise<void> {
    if (this.isReady) return Promise.resolve()
    return new Promise((resolve) => {
      const watch = (): void => {
        if (!this.isReady) return
        this.#watchers.delete(watch)
        resolve()
      }
      this.#watchers.add(watch)
    })
  }

  #tell(): void {
    for (const watch of [...this.#watchers]) watch()
  }
}
