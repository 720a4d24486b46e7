import { afterEach, expect, test, vi } from 'vitest'
import { type CommandLine, readCommandLine } from '#shared/program'

const calls: string[] = []
const line: CommandLine = {
  name: 'proxy',
  command: 'run',
  help: () => 'the table of settings',
  run: (flags) => calls.push(`run ${flags.join(' ')}`),
  inner: { worker: (args) => calls.push(`worker ${args.join(' ')}`) },
}

afterEach(() => {
  calls.length = 0
  process.exitCode = 0
  vi.restoreAllMocks()
})

test.each([
  { argv: [], called: ['run '], why: 'its command may be left out' },
  { argv: ['run', '--port', '1'], called: ['run --port 1'], why: 'its command' },
  { argv: ['--port', '1'], called: ['run --port 1'], why: 'flags alone' },
  { argv: ['worker', '/socket', '--help'], called: ['worker /socket --help'], why: 'an inner command keeps all words' },
  {
    argv: ['run', '--help'],
    called: [],
    shown: 'proxy [run] [--flag value …] | version | help\n\nthe table of settings\n',
  },
  { argv: ['help'], called: [], shown: 'proxy [run] [--flag value …] | version | help\n\nthe table of settings\n' },
  { argv: ['version'], called: [], shown: `ambit proxy, Node ${process.version}\n` },
  { argv: ['toString'], called: [], refused: 'unknown command "toString": use run, version or help\n' },
  { argv: ['a\nb'], called: [], refused: 'unknown command "a\\nb": use run, version or help\n' },
])('reads $argv', ({ argv, called, shown, refused }) => {
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  readCommandLine(argv, line)
  expect(calls).toEqual(called)
  expect(out.mock.calls.map(([text]) => text)).toEqual(shown === undefined ? [] : [shown])
  expect(err.mock.calls.map(([text]) => text)).toEqual(refused === undefined ? [] : [refused])
  expect(process.exitCode ?? 0).toBe(refused === undefined ? 0 : 1)
})
