import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '#shared/clock'
import { killNeighbours } from '../host/index.ts'
import type { NamespaceHolder } from '../network/index.ts'
import type { PodMachine, PodOrder } from './pod-runner.ts'
import { openSandbox } from './sandbox.ts'

/** Rounds of killing what a pod left behind; each kills all that are seen. */
const SWEEP_ROUNDS = 20
const SWEEP_PAUSE_MS = 5

/** A pod's namespaces with their link, names and files. */
export class PodSandbox {
  readonly #order: PodOrder
  readonly #machine: PodMachine
  readonly #lost: () => void
  readonly #dir: string
  #holder: NamespaceHolder | undefined

  constructor(order: PodOrder, machine: PodMachine, lost: () => void) {
    this.#order = order
    this.#machine = machine
    this.#lost = lost
    this.#dir = join(machine.podsDir, order.uid)
  }

  get holder(): NamespaceHolder | undefined {
    return this.#holder
  }

  /** @throws MeshError `COMMAND_FAILED`; what was made until then stays for `close` */
  async open(): Promise<NamespaceHolder> {
    const { tools, network, netnsDir, hidden } = this.#machine
    const { uid, plan, hosts, resolv, volumesDir, addresses } = this.#order
    const hostsFile = join(this.#dir, 'hosts')
    const resolvFile = join(this.#dir, 'resolv.conf')
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    writeFileSync(hostsFile, hosts, { mode: 0o644 })
    writeFileSync(resolvFile, resolv, { mode: 0o644 })
    const holder = await openSandbox(tools, { hostname: plan.hostname, hostsFile, resolvFile, volumesDir, hidden })
    this.#holder = holder
    await network.connect(holder.netnsPath, addresses)
    symlinkSync(holder.netnsPath, join(netnsDir, uid))
    holder.onLost(this.#lost)
    return holder
  }

  /** Ends everything in the namespaces, then these. Safe to call twice. */
  async close(): Promise<void> {
    rmSync(join(this.#machine.netnsDir, this.#order.uid), { force: true })
    const holder = this.#holder
    if (holder === undefined) return
    this.#holder = undefined
    // What left its container's process group is still in the pod's namespaces; it may start more while it is killed.
    for (let round = 0; round < SWEEP_ROUNDS && killNeighbours(holder.machinePid) > 0; round++) {
      await sleep(this.#machine.clock, SWEEP_PAUSE_MS)
    }
    await holder.close()
  }

  removeFiles(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
