import { chmodSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ControlError, type MeshStatus, openSocketPath } from '#shared/control'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import { type ExecTarget, serveExec } from './exec.ts'
import type { Progress } from './progress.ts'

/** What the server hands out; everything that it knows of the mesh. */
export interface ControlledMesh {
  status(): Promise<MeshStatus>
  readonly progress: Progress
  /** Starts taking everything down. */
  stop(): void
  /** A page of a node's tunnel; undefined when there is no such node. */
  askTunnel(node: string, path: string): Promise<string> | undefined
  /** A page of the control plane's monitoring port; rejects when it does not answer. */
  askIstiod(path: string): Promise<string>
  /** Starts an exec request; an error is one sentence for the user. */
  execTarget: ExecTarget
}

/** Connections at a time: each `ambit exec` holds one. */
const MAX_CONNECTIONS = 256

/** Answers `ambit` on the unix socket; the folder around it lets in only its owner. */
export class ControlServer implements Closer {
  readonly #server: Server
  readonly #upgraded: Set<Duplex>

  private constructor(server: Server, upgraded: Set<Duplex>) {
    this.#server = server
    this.#upgraded = upgraded
  }

  static listen(path: string, mesh: ControlledMesh): Promise<ControlServer> {
    const upgraded = new Set<Duplex>()
    const server = createServer((request, response) => void answer(mesh, request, response))
    server.maxConnections = MAX_CONNECTIONS
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy())
      if (request.url !== '/exec' || request.headers.upgrade !== 'ambit-exec') {
        socket.destroy()
        return
      }
      upgraded.add(socket)
      socket.on('close', () => upgraded.delete(socket))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ambit-exec\r\n\r\n')
      serveExec(socket, head, mesh.execTarget)
    })
    const address = openSocketPath(path)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(address.path, () => {
        // The folder lets in only its owner; the socket says so as well.
        chmodSync(address.path, 0o600)
        address.release()
        resolve(new ControlServer(server, upgraded))
      })
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy()
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

async function answer(mesh: ControlledMesh, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on('error', () => response.destroy())
  request.resume()
  try {
    await route(mesh, request, response)
  } catch (error) {
    fail(response, 502, reasonOf(error))
  }
}

async function route(mesh: ControlledMesh, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://ambit')
  const asked = `${request.method} ${url.pathname}`
  if (asked === 'GET /status') return send(response, JSON.stringify(await mesh.status()), 'application/json')
  if (asked === 'GET /progress') return mesh.progress.stream(response)
  if (asked === 'POST /stop') {
    response.writeHead(202).end()
    return mesh.stop()
  }
  const [, page] = /^GET \/istiod(\/.*)$/.exec(asked) ?? []
  if (page !== undefined) return send(response, await mesh.askIstiod(page + url.search), 'application/json')
  const [, node, rest] = /^GET \/nodes\/([^/]+)\/ztunnel(\/.*)$/.exec(asked) ?? []
  if (node === undefined || rest === undefined) return fail(response, 404, `there is nothing at ${url.pathname}`)
  const tunnelPage = mesh.askTunnel(node, rest + url.search)
  if (tunnelPage === undefined) return fail(response, 404, `there is no node ${node}; "ambit status" lists them`)
  return send(response, await tunnelPage, 'application/json')
}

function send(response: ServerResponse, body: string, contentType: string): void {
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }).end(body)
}

function fail(response: ServerResponse, status: number, error: string): void {
  if (response.headersSent) return void response.destroy()
  const body: ControlError = { error }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
