import { execFile } from 'node:child_process'
import type { Netns } from '#shared/sys'

/** What an application sees: records, or the code of the failure. */
export type Resolved = readonly unknown[] | string

const SCRIPT = `
const { Resolver } = require('node:dns/promises')
const [server, questions] = process.argv.slice(1)
const resolver = new Resolver({ timeout: 2000, tries: 4 })
resolver.setServers([server])
const ask = ([name, type]) => resolver.resolve(name, type).catch((error) => error.code)
Promise.all(JSON.parse(questions).map(ask)).then((answers) => console.log(JSON.stringify(answers)))
`

/** An application in that namespace that asks `server`, with the resolver that Node has. */
export function resolveIn(
  netns: Netns,
  server: string,
  ...questions: readonly (readonly [name: string, type: string])[]
): Promise<readonly Resolved[]> {
  return new Promise((resolve, reject) => {
    const args = ['-e', SCRIPT, server, JSON.stringify(questions)]
    netns.run(() =>
      execFile(process.execPath, args, { timeout: 30_000 }, (error, stdout) => {
        if (error !== null) reject(error)
        else resolve(JSON.parse(stdout) as readonly Resolved[])
      }),
    )
  })
}
