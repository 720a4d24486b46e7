import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { type ControlError, type MeshStatus, openSocketPath, type ProgressEvent } from '#shared/control'
import { MeshError } from '#shared/errors'
import { noMesh } from '../target/index.ts'

/** A status asks every tunnel, each for up to 2 s. */
const ANSWER_TIMEOUT_MS = 15_000

/** What `ambit` asks of a running mesh. */
export class ControlClient {
  readonly #stateDir: string

  constructor(stateDir: string) {
    this.#stateDir = stateDir
  }

  async status(): Promise<MeshStatus> {
    return JSON.parse(await this.#text('GET', '/status')) as MeshStatus
  }

  /** Resolves when the mesh has begun to go down. */
  async stop(): Promise<void> {
    await this.#text('POST', '/stop')
  }

  /** A page of the admin port of a node's tunnel. */
  tunnelPage(node: string, path: string): Promise<string> {
    return this.#text('GET', `/nodes/${encodeURIComponent(node)}/ztunnel${path}`)
  }

  /** A page of the control plane's monitoring port. */
  istiodPage(path: string): Promise<string> {
    return this.#text('GET', `/istiod${path}`)
  }

  /** Every event since the start, then live, up to `ready` or `failed`. */
  async *progress(): AsyncGenerator<ProgressEvent> {
    const response = await this.#ask('GET', '/progress')
    response.setEncoding('utf8')
    let rest = ''
    // Read here and not by node:readline, which lets the end of a broken response go unhandled.
    for await (const chunk of response) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield JSON.parse(line) as ProgressEvent
    }
  }

  async #text(method: string, path: string): Promise<string> {
    const response = await this.#ask(method, path, ANSWER_TIMEOUT_MS)
    let body = ''
    response.setEncoding('utf8')
    for await (const chunk of response) body += chunk
    if ((response.statusCode ?? 500) < 300) return body
    throw new MeshError('COMMAND_FAILED', errorIn(body))
  }

  /** @param timeoutMs of silence; 0 = as long as it takes */
  #ask(method: string, path: string, timeoutMs = 0): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let socket: ReturnType<typeof openSocketPath>
      try {
        socket = openSocketPath(join(this.#stateDir, 'ambit.sock'))
      } catch {
        return reject(noMesh(this.#stateDir))
      }
      const asked = request({ socketPath: socket.path, method, path, headers: { host: 'ambit', connection: 'close' } })
      asked.on('socket', (connection) => connection.once('connect', () => socket.release()))
      asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)))
      asked.on('response', resolve)
      asked.on('error', (error: NodeJS.ErrnoException) => {
        socket.release()
        const isDown = error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
        reject(
          isDown
            ? noMesh(this.#stateDir)
            : new MeshError('COMMAND_FAILED', `the mesh did not answer: ${error.message}`),
        )
      })
      asked.end()
    })
  }
}

function errorIn(body: string): string {
  try {
    return (JSON.parse(body) as ControlError).error
  } catch {
    return body.slice(0, 500)
  }
}
