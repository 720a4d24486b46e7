import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { Pty } from '#shared/sys'

let pty: Pty | undefined
afterEach(() => pty?.close())

/** A shell that has the terminal as its own. */
function shell(script: string): { readonly pty: Pty; readonly child: ChildProcess } {
  pty = Pty.open()
  pty.resize(100, 33)
  const stdio = [pty.processFd, pty.processFd, pty.processFd]
  const child = spawn('setsid', ['--ctty', 'sh', '-c', script], { stdio })
  pty.releaseProcessSide()
  return { pty, child }
}

async function untilSaid(of: Pty, word: string): Promise<void> {
  let said = ''
  while (!said.includes(word)) said += String((await once(of.output, 'data'))[0])
}

function openFds(): number {
  return readdirSync('/proc/self/fd').length
}

describe('a pseudo-terminal', () => {
  it('is the terminal of its process, with the size it was given', async () => {
    const { pty } = shell('tty; stty size; cat /dev/tty > /dev/null & echo done')
    expect(await text(pty.output)).toMatch(/^\/dev\/pts\/\d+\r\n33 100\r\ndone\r\n$/)
  })

  it('makes a signal of Ctrl-C', async () => {
    const { pty, child } = shell('trap "exit 7" INT; echo ready; while :; do sleep 0.01; done')
    await untilSaid(pty, 'ready')
    pty.input.write('\u0003')
    expect(await once(child, 'exit')).toEqual([7, null])
  })

  it('tells of a new size', async () => {
    const { pty } = shell('trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.01; done')
    await untilSaid(pty, 'ready')
    pty.resize(50, 20)
    expect(await text(pty.output)).toBe('20 50\r\n')
  })

  it('gives all output of a process that writes more than is read at once, then its end', async () => {
    const { pty } = shell('head -c 1000000 /dev/zero')
    expect((await text(pty.output)).length).toBe(1_000_000)
  })

  it('ends with the process that began its session, whatever that has left', async () => {
    const { pty } = shell('echo x; sleep 60 & exit 3')
    expect(await text(pty.output)).toBe('x\r\n')
  })

  it('hangs up when it is closed', async () => {
    const { pty, child } = shell('trap "exit 9" HUP; echo ready; while :; do sleep 0.01; done')
    await untilSaid(pty, 'ready')
    pty.close()
    expect(await once(child, 'exit')).toEqual([9, null])
    pty.close()
    pty.resize(1, 1)
    await new Promise((resolve) => pty.input.write('to nobody', resolve))
  })

  it('leaves no descriptor', async () => {
    // The first one opens what Node keeps for all of them.
    Pty.open().close()
    await new Promise(setImmediate)
    const before = openFds()
    for (let i = 0; i < 20; i++) {
      const one = Pty.open()
      one.output.resume()
      one.close()
    }
    await expect.poll(openFds).toBe(before)
  })
})
